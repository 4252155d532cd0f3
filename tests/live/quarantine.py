"""A refused record is listed with its remedy, shown with its bytes, and replayed once."""

import json
import os
import subprocess

from platform_under_test import CDP, cdp, post, query, until

url, key = os.environ["CDP_URL"], os.environ["CDP_WRITE_KEY"]
message = f"refused-{os.getpid()}"
post(url, key, "/v1/batch", {"batch": [{"type": "track", "messageId": message, "event": "Nobody's"}]})
# Its type is in the path alone, and its context is the request's.
post(url, key, "/v1/track", {"messageId": message + "-by-path", "event": "Nobody's"})


def refused():
    rows = json.loads(cdp("quarantine", "list", "--reason", "no_identifier", "--limit", "1000", "--format", "json"))
    show = [CDP, "quarantine", "show", "--dir", os.environ["CDP_DIR"]]
    shown = [(row, subprocess.run([*show, row["position"]], capture_output=True, check=True).stdout) for row in rows]
    return [(row, data) for row, data in shown if message.encode() in data]


until(lambda: len(refused()) == 2, 10, "the records are in quarantine")
row, data = next((row, data) for row, data in refused() if b"by-path" not in data)
assert row["field"] == "userId" and "anonymousId" in row["remedy"], row
assert json.loads(data)["messageId"] == message


def replay():
    return json.loads(cdp("quarantine", "replay", "--reason", "no_identifier", "--format", "json"))[0]


first, again = replay(), replay()
assert first["replayed"] > 0, first
until(lambda: len(refused()) == 4, 10, "what is still wrong is refused again, once, for the same reason")
print(first, again)
