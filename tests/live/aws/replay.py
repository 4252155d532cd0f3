"""Jobs in the queue: refused records go again, each once, whatever is asked how often; another lake's events are taken in; and
what is no job is in the dead letters."""

import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import uuid

import boto3

from stack import CDP, OUTPUTS, check_equal, delta, until

OLD_LAKE = os.environ["CDP_TEST_OLD_LAKE"]

sqs, kinesis, dynamodb = boto3.client("sqs"), boto3.client("kinesis"), boto3.client("dynamodb")
RUN = uuid.uuid4().hex[:8]


def table(name):
    read = delta(name)
    return read.to_pyarrow_table().to_pylist() if read else []


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ask(**job):
    job = {"id": f"{RUN}-{uuid.uuid4().hex[:8]}", "asked_by": "replay.py", "asked_at": now(), **job}
    sqs.send_message(QueueUrl=OUTPUTS["ReplayQueue"], MessageBody=json.dumps(job))
    return job["id"]


def fields(message):
    """The numbers of a protobuf message."""

    def varint():
        nonlocal message
        value = shift = 0
        while True:
            byte, message = message[0], message[1:]
            value, shift = value | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                return value

    numbers = {}
    while message:
        key = varint()
        if key & 7 == 0:
            numbers[key >> 3] = varint()
        else:
            length = varint()
            message = message[length:]
    return numbers


def progress(job):
    """(replayed, passed over) once the job is done."""
    key = {"partition": {"S": "replays"}, "sort": {"S": job}}
    item = dynamodb.get_item(TableName=OUTPUTS["StateTable"], Key=key, ConsistentRead=True).get("Item")
    if item is None:
        return None
    numbers = fields(item["b"]["B"])
    return (numbers.get(3, 0), numbers.get(4, 0)) if numbers.get(6) else None


# Refused records, and nothing that was refused before.
since = now()
refused = [json.dumps({"type": "track", "event": "Seen", "messageId": f"{RUN}-{at}"}) for at in range(250)]
for at in range(0, len(refused), 125):
    records = [{"Data": text.encode(), "PartitionKey": text} for text in refused[at : at + 125]]
    check_equal("throttled", kinesis.put_records(StreamName=OUTPUTS["StreamName"], Records=records)["FailedRecordCount"], 0)


def times():
    """How often each of them is in quarantine."""
    found = [row["bytes"].decode() for row in table("quarantine") if RUN.encode() in row["bytes"]]
    return [found.count(text) for text in refused]


until("they are in quarantine", lambda: times() == [1] * len(refused))
asked_until = now()
job = dict(table="quarantine", reason="no_identifier", since=since, until=asked_until)
first = ask(**job)
until("the first job is done", lambda: progress(first) is not None)
check_equal("the first job replayed, passed over", progress(first), (len(refused), 0))
until("each is refused again", lambda: times() == [2] * len(refused))

second = ask(**job)
until("the second job is done", lambda: progress(second) is not None)
check_equal("the second job replayed, passed over", progress(second), (0, len(refused)))
ask(**job, id=first)
time.sleep(15)
check_equal("each went once", times(), [2] * len(refused))

# Another deployment's lake.
with tempfile.TemporaryDirectory() as folder:
    shop, file = pathlib.Path(folder, "shop"), pathlib.Path(folder, "all.jsonl")
    events = [
        {"type": "identify", "userId": f"{RUN}-{at % 90}", "anonymousId": f"{RUN}-a{at % 120}", "messageId": f"{RUN}-m{at}"}
        for at in range(1200)
    ]
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    for command in [["init", str(shop)], ["drop", str(file), "--dir", str(shop)]]:
        subprocess.run([CDP, *command], check=True, stdout=subprocess.DEVNULL)
    s3, lake = boto3.client("s3"), shop / "lake"
    for path in lake.rglob("*"):
        if path.is_file():
            s3.upload_file(str(path), OLD_LAKE, f"old/{path.relative_to(lake)}")
    query = ["query", "select message_id, received_at from events", "--dir", str(shop), "--format", "json"]
    there = json.loads(subprocess.run([CDP, *query], check=True, capture_output=True).stdout)

old = ask(table="events", lake=f"s3://{OLD_LAKE}/old")
until("the old lake's events are replayed", lambda: progress(old) is not None)
check_equal("replayed", progress(old), (len(there), 0))


def taken():
    return sorted(row["message_id"] for row in table("events") if row["message_id"].startswith(RUN))


until("they are in the table", lambda: len(taken()) >= len(there))
check_equal("events", taken(), sorted(row["message_id"] for row in there))

# What is no job, or one of nothing.
letters = next(url for url in sqs.list_queues()["QueueUrls"] if "ReplayDeadLetters" in url)
sqs.send_message(QueueUrl=OUTPUTS["ReplayQueue"], MessageBody="no job")
own = ask(table="events", lake=f"s3://{OUTPUTS['LakeBucket']}")
nothing = ask(table="events", lake=f"s3://{OLD_LAKE}/nothing")
buried = set()


def all_buried():
    for letter in sqs.receive_message(QueueUrl=letters, MaxNumberOfMessages=10).get("Messages", []):
        buried.add(letter["Body"] if letter["Body"] == "no job" else json.loads(letter["Body"])["id"])
        sqs.delete_message(QueueUrl=letters, ReceiptHandle=letter["ReceiptHandle"])
    return {"no job", own, nothing} <= buried


until("what can't be done is in the dead letters", all_buried)
print(f"{len(refused)} refused records and {len(there)} events, each once")

# Threads that readers of tables leave behind abort the interpreter's own end, now and then.
sys.stdout.flush()
os._exit(0)
