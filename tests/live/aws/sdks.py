"""Unmodified SDKs, a KPL aggregate and compressed records, against the deployed stack: what they say they sent is in the table and in profiles."""

import json
import os
import pathlib
import subprocess
import sys

import stack
from front import front
from stack import check_equal, until

SDKS = pathlib.Path("tests/live/sdks")


def send(url, *command):
    """Runs an SDK's script, and answers what it reports, a line for each SDK."""
    surroundings = {
        **os.environ,
        "CDP_URL": url,
        "CDP_WRITE_KEY": stack.WRITE_KEY,
        "CDP_RUN": stack.RUN,
        "CDP_KINESIS_URL": stack.ENDPOINT,
        "CDP_STREAM": stack.OUTPUTS["StreamName"],
        "CDP_ACCESS_KEY_ID": os.environ["AWS_ACCESS_KEY_ID"],
        "CDP_SECRET_ACCESS_KEY": os.environ["AWS_SECRET_ACCESS_KEY"],
    }
    done = subprocess.run(command, env=surroundings, cwd=SDKS, text=True, stdout=subprocess.PIPE)
    check_equal(f"{' '.join(command)} ends well", done.returncode, 0)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


with front(stack.ENDPOINT, stack.HOST) as url:
    reports = [*send(url, "node", "node.mjs"), *send(url, sys.executable, "producers.py")]
# A browser finds every name below `localhost` by itself.
reports += send(stack.OUTPUTS["ApiUrl"], "node", "browser.mjs")
# It asks about the stream, and sends nothing.
sent = {report["sdk"]: report["sent"] for report in reports if report["sdk"] != "boto3-describe"}
check_equal("SDKs", len(sent), 9)


def landed():
    """Events of each SDK: all ids in its story begin with its name."""
    ids = ["user_id", "anonymous_id"]
    found = dict.fromkeys(sent, 0)
    for row in stack.rows("events", ids):
        name = next((row[one] for one in ids if row[one]), "").split(f"-{stack.RUN}-")[0]
        if name in found:
            found[name] += 1
    return found


def people():
    """What the person has that each SDK logged in."""
    found = {sdk: stack.profile(f"user_id:{sdk}-{stack.RUN}-user") for sdk in sent}
    return {sdk: person["events"]["total"] if person else 0 for sdk, person in found.items()}


until("each SDK's events are in the table", lambda: all(landed()[sdk] >= count for sdk, count in sent.items()))
until("each SDK's person has them", lambda: all(people()[sdk] >= count for sdk, count in sent.items()))
check_equal("events of the SDKs", landed(), sent)
check_equal("events of the SDKs' people", people(), sent)
print(f"{sum(sent.values())} events of {', '.join(sent)}")
stack.end()
