"""Segment's SDK for Python and boto3, unmodified: the tracking API, and the Kinesis API with plain and KPL records."""

import gzip
import json
import os
import sys
import time
from pathlib import Path

import boto3
import segment.analytics as segment
from aws_kinesis_agg.aggregator import RecordAggregator
from botocore.config import Config

URL = os.environ["CDP_URL"].rstrip("/")
WRITE_KEY = os.environ["CDP_WRITE_KEY"]
KINESIS_URL = os.environ.get("CDP_KINESIS_URL", URL)
STREAM = os.environ.get("CDP_STREAM", "events")
RUN = os.environ.get("CDP_RUN") or format(int(time.time() * 1000), "x")
CALLS = json.loads(Path(__file__).with_name("story.json").read_text())


def story_of(sdk):
    """Each call as (name, message). Ids are SDK-RUN-NAME."""
    for call in CALLS:
        message = {k: f"{sdk}-{RUN}-{v}" if k.endswith("Id") else v for k, v in call.items() if k not in ("call", "times")}
        for _ in range(call.get("times", 1)):
            yield call["call"], message


def report(sdk, sent, failures):
    print(json.dumps({"sdk": sdk, "run": RUN, "user_id": f"{sdk}-{RUN}-user", "sent": sent, "failed": len(failures)}))
    for failure in failures:
        print(f"{sdk}: {failure}", file=sys.stderr)
    return sent > 0 and not failures


def python_sdk(sdk, gzip):
    names = {"userId": "user_id", "anonymousId": "anonymous_id", "groupId": "group_id", "previousId": "previous_id"}
    failures = []
    client = segment.Client(
        WRITE_KEY, host=URL, gzip=gzip, max_retries=1, on_error=lambda error, batch: failures.append(f"{error}: {len(batch)} events")
    )
    sent = 0
    for call, message in story_of(sdk):
        taken, _ = getattr(client, call)(**{names.get(key, key): value for key, value in message.items()})
        sent += taken
    client.shutdown()
    return report(sdk, sent, failures)


def kinesis():
    return boto3.client(
        "kinesis",
        endpoint_url=KINESIS_URL,
        region_name="us-east-1",
        aws_access_key_id=os.environ.get("CDP_ACCESS_KEY_ID", "local"),
        aws_secret_access_key=os.environ.get("CDP_SECRET_ACCESS_KEY", "local"),
        config=Config(retries={"total_max_attempts": 1}),
    )


def as_event(call, message, at):
    """A plain record: Segment-shaped JSON with its own type and id."""
    return json.dumps({"type": call, "messageId": f"{message.get('userId') or message['anonymousId']}-{at}", **message}).encode()


def put_records(sdk, client):
    entries = [
        {"Data": as_event(call, message, at), "PartitionKey": message.get("anonymousId") or message["userId"]}
        for at, (call, message) in enumerate(story_of(sdk))
    ]
    first = client.put_record(StreamName=STREAM, **entries[0])
    rest = client.put_records(StreamName=STREAM, Records=entries[1:])
    failures = [record for record in rest["Records"] if "ErrorCode" in record]
    if not first["SequenceNumber"]:
        failures.append("PutRecord named no place")
    return report(sdk, len(entries) - len(failures), failures)


def put_aggregates(sdk, client):
    """One KPL record with all events inside, as the KPL's Python twin packs it."""
    aggregator = RecordAggregator()
    events = [(message.get("userId") or message["anonymousId"], as_event(call, message, at)) for at, (call, message) in enumerate(story_of(sdk))]
    for key, event in events:
        aggregator.add_user_record(key, event)
    key, _, packed = aggregator.clear_and_get().get_contents()
    put = client.put_record(StreamName=STREAM, PartitionKey=key, Data=packed)
    failures = [] if packed in read_shard(client, put["ShardId"]) else ["the aggregate was not read back as it was put"]
    return report(sdk, len(events), failures)


def put_compressed(sdk, client):
    """Lines of JSON, and a KPL aggregate, each compressed whole."""
    events = [(message.get("userId") or message["anonymousId"], as_event(call, message, at)) for at, (call, message) in enumerate(story_of(sdk))]
    half = len(events) // 2
    aggregator = RecordAggregator()
    for key, event in events[half:]:
        aggregator.add_user_record(key, event)
    key, _, packed = aggregator.clear_and_get().get_contents()
    for data in [b"\n".join(event for _, event in events[:half]), packed]:
        client.put_record(StreamName=STREAM, PartitionKey=key, Data=gzip.compress(data))
    return report(sdk, len(events), [])


def read_shard(client, shard):
    iterator = client.get_shard_iterator(StreamName=STREAM, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    found = []
    while True:
        page = client.get_records(ShardIterator=iterator)
        found += [record["Data"] for record in page["Records"]]
        iterator = page["NextShardIterator"]
        if not page["Records"] and page["MillisBehindLatest"] == 0:
            return found


def describe(sdk, client):
    """What tools ask of a stream; the shards share out every hash key."""
    failures = []
    shards = client.get_paginator("list_shards").paginate(StreamName=STREAM).build_full_result()["Shards"]
    described = client.describe_stream(StreamName=STREAM)["StreamDescription"]
    summary = client.describe_stream_summary(StreamARN=described["StreamARN"])["StreamDescriptionSummary"]
    ends = [(int(s["HashKeyRange"]["StartingHashKey"]), int(s["HashKeyRange"]["EndingHashKey"])) for s in shards]
    if [start for start, _ in ends] != [0] + [end + 1 for _, end in ends[:-1]] or ends[-1][1] != 2**128 - 1:
        failures.append(f"hash ranges have gaps: {ends}")
    if STREAM not in client.list_streams()["StreamNames"] or summary["OpenShardCount"] != len(shards):
        failures.append("the stream is described in two ways")
    try:
        client.put_record(StreamName=f"{STREAM}-not", Data=b"", PartitionKey="k")
        failures.append("a stream that is not there took a record")
    except client.exceptions.ResourceNotFoundException:
        pass
    return report(sdk, len(shards), failures)


def main():
    client = kinesis()
    passed = [
        python_sdk("segment-python", gzip=False),
        python_sdk("segment-python-gzip", gzip=True),
        put_records("boto3", client),
        put_aggregates("kpl", client),
        put_compressed("gzip", client),
        describe("boto3-describe", client),
    ]
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
