"""A round of maintain beside commits: small files become few with the same rows, what nothing names goes once it is old, and
shards that are gone are closed. Time passes in the emulator: infra/emulated_faults.py."""

import json
import threading

import boto3
import stack
from stack import ask, check_equal, until

MINIMUM_OF_A_CLASS = 8
s3, awslambda = boto3.client("s3"), boto3.client("lambda")
BUCKET = stack.OUTPUTS["LakeBucket"]
OURS = f"maintained-{stack.RUN}"
sent = 0


def send():
    global sent
    sent += 1
    event = {"type": "track", "event": "Seen", "userId": f"maintained-{sent % 5}", "messageId": f"{OURS}-{sent}"}
    stack.put([json.dumps(event)], [event["userId"]])


def landed():
    found = stack.rows("events", ["message_id"])
    return sum(row["message_id"].startswith(OURS) for row in found)


def active():
    return set(stack.delta("events").file_uris())


def keys():
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="events/date=")
    return {f"s3://{BUCKET}/{found['Key']}" for page in pages for found in page.get("Contents", [])}


def maintain():
    """As its schedule calls it."""
    name = stack.function("Maintain")["FunctionName"]
    answer = awslambda.invoke(FunctionName=name, Payload=b"{}")
    check_equal("an error of maintain", answer.get("FunctionError"), None)


def maintain_beside_commits():
    """Events flow as long as it runs."""
    is_done = threading.Event()

    def flow():
        while not is_done.is_set():
            send()
            is_done.wait(0.2)

    flowing = threading.Thread(target=flow)
    flowing.start()
    try:
        maintain()
    finally:
        is_done.set()
        flowing.join()
    until("all that flowed is in the table", lambda: landed() == sent)


def shards():
    kinesis = boto3.client("kinesis")
    return {shard["ShardId"] for shard in kinesis.list_shards(StreamName=stack.OUTPUTS["StreamName"])["Shards"]}


def checkpoints():
    """Shards that batches came from, and may come from again."""
    return {item["sort"]["S"] for item in stack.items("checkpoints")}


def closed():
    """Those that are over. Files are, too."""
    return {item["sort"]["S"] for item in stack.items("closed") if item["sort"]["S"].startswith("shardId-")}


def rows():
    return set(stack.positions("events"))


while len(active()) < MINIMUM_OF_A_CLASS:
    before = len(active())
    send()
    until("a commit", lambda: len(active()) > before)

before, files = rows(), active()
maintain_beside_commits()
check_equal("a round leaves fewer files", len(active()) < len(files), True)
print(f"{len(files)} files became {len(files & active())} and {len(active() - files)} more")
check_equal("rows that were there before", before - rows(), set())

until("nothing waits", lambda: not stack.items("outbox/events"))
replaced = files - active()
check_equal("files that were replaced, and are still young", replaced - keys(), set())
s3.put_object(Bucket=BUCKET, Key="events/date=2026-01-31/nobody-names-it.parquet", Body=b"of a batch that lost its race")
orphans = replaced | {f"s3://{BUCKET}/events/date=2026-01-31/nobody-names-it.parquet"}
check_equal("shards that are closed as long as the stream has their records", closed(), set())
check_equal("time passes", ask("POST", f"{stack.ENDPOINT}/_faults/age", {"hours": 25})[0], 200)
gone = checkpoints() - shards()
check_equal("shards were split and merged, and are gone now", len(gone) >= 2, True)

before = rows()
maintain_beside_commits()
check_equal("orphans that are still there", orphans & keys(), set())
check_equal("files that are named, and not there", active() - keys(), set())
check_equal("rows that were there before", before - rows(), set())
check_equal("shards that are closed", closed(), gone)
stack.check_no_position_twice()
stack.check_nothing_is_given_up()
stack.end()
