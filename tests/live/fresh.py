"""What was answered with 200 is in SQL within 5 seconds."""

import os
import time

from platform_under_test import post, query

url, key = os.environ["CDP_URL"], os.environ["CDP_WRITE_KEY"]
for attempt in range(3):
    message = f"fresh-{os.getpid()}-{attempt}"
    post(url, key, "/v1/track", {"userId": "fresh", "event": "Fresh", "messageId": message})
    answered = time.monotonic()
    while True:
        asked = time.monotonic()
        if query(f"select 1 as n from events where message_id = '{message}'"):
            break
        assert asked - answered < 5, f"{message} was not in the table 5 s after its answer"
    print(f"in the table at most {asked - answered:.1f} s after the answer")
