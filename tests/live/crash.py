"""`cdp up` is killed with SIGKILL twenty times at random moments under load. Afterwards what was answered with 200 is there
exactly once, and `cdp verify` holds. The seed is printed; CDP_CRASH_SEED repeats its moments and its events."""

import json
import os
import random
import signal
import subprocess
import tempfile
import threading
import time

from platform_under_test import CDP, cdp, post, query, until

KILLS = int(os.environ.get("CDP_CRASH_KILLS", "20"))
seed = int(os.environ.get("CDP_CRASH_SEED", random.randrange(2**32)))
print("seed", seed)
dice = random.Random(seed)
directory = os.path.join(tempfile.mkdtemp(), "shop")
made = subprocess.run([CDP, "init", directory, "--format", "json"], capture_output=True, text=True, check=True)
key = json.loads(made.stdout)["write_key"]


def start():
    try:
        os.remove(os.path.join(directory, "run.json"))
    except FileNotFoundError:
        pass
    log = open(directory + ".log", "a")
    process = subprocess.Popen([CDP, "up", "--dir", directory, "--listen", "127.0.0.1:0"], stderr=log)

    def address():
        assert process.poll() is None, open(directory + ".log").read()[-2000:]
        try:
            return json.load(open(os.path.join(directory, "run.json")))["address"]
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    until(address, 60, "cdp up starts")
    return process, "http://" + address()


class Producer(threading.Thread):
    """Sends batches until it is told to stop; a batch without an answer is sent again, as an SDK does."""

    def __init__(self, number):
        super().__init__()
        self.number, self.sent, self.answered, self.url, self.stop = number, 0, [], None, False
        # Its own: threads that share one draw in an order that nobody repeats.
        self.dice = random.Random(f"{seed} {number}")

    def run(self):
        while not self.stop:
            batch = [self.event() for _ in range(self.dice.randrange(1, 60))]
            while not self.stop:
                try:
                    post(self.url, key, "/v1/batch", {"batch": batch}, timeout=5)
                    self.answered += [event["messageId"] for event in batch]
                    break
                except Exception:
                    time.sleep(0.05)

    def event(self):
        self.sent += 1
        person = self.dice.randrange(200)
        event = {"type": "track", "event": "Clicked", "messageId": f"{self.number}-{self.sent}", "anonymousId": f"d{person}"}
        if self.sent % 7 == 0:
            event |= {"type": "identify", "userId": f"u{person // 2}", "traits": {"n": self.sent}}
        if self.sent % 31 == 0:
            event.pop("anonymousId")
            event.pop("userId", None)
        return event


process, url = start()
producers = [Producer(number) for number in range(4)]
for producer in producers:
    producer.url = url
    producer.start()
for kill in range(KILLS):
    time.sleep(dice.uniform(0.1, 1.5))
    process.send_signal(signal.SIGKILL)
    process.wait()
    process, url = start()
    for producer in producers:
        producer.url = url
time.sleep(1)
for producer in producers:
    producer.stop = True
for producer in producers:
    producer.join()
time.sleep(3)
process.terminate()
assert process.wait(timeout=30) == 0, "cdp up did not stop cleanly"

answered = {message for producer in producers for message in producer.answered}
rows = query("select message_id, count(*) as n from events group by message_id", directory=directory)
refused = query("select count(*) as n from quarantine", directory=directory)[0]["n"]
landed = {row["message_id"] for row in rows}
twice = [row["message_id"] for row in rows if row["n"] != 1]
nameless = {message for message in answered if int(message.split("-")[1]) % 31 == 0}
lost = answered - nameless - landed
print(len(answered), "answered,", len(landed), "landed,", refused, "refused")
assert not lost, f"{len(lost)} lost, such as {sorted(lost)[:3]}"
assert not twice, f"{len(twice)} landed twice, such as {twice[:3]}"
assert refused >= len(nameless), f"{refused} refused, {len(nameless)} should have been"
cdp("verify", directory=directory)
