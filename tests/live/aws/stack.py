"""What these tests share: the stack that is deployed, what stands in its tables and profiles, and the same on one machine."""

import base64
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request

import boto3
import deltalake

CDP = os.environ["CDP"]
DIR = pathlib.Path(os.environ["CDP_DIR"])
ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
WITHIN_S = 120
# Ids are of one run: a script may run twice on one stack.
RUN = format(int(time.time() * 1000), "x")
TABLES = ["events", "quarantine", "identity", "profiles"]

secrets = tomllib.loads((DIR / "secrets.toml").read_text())
WRITE_KEY = secrets["write_keys"]["web"]
TOKEN = secrets["api_tokens"]["admin"]["token"]

stack = boto3.client("cloudformation").describe_stacks(StackName="cdp-dev")["Stacks"][0]
OUTPUTS = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
HOST = urllib.parse.urlsplit(OUTPUTS["ApiUrl"]).netloc


def call(method, path, user, body=None):
    """The emulator tells APIs apart by the header Host."""
    headers = {
        "Host": HOST,
        "Authorization": "Basic " + base64.b64encode(f"{user}:".encode()).decode(),
        "Content-Type": "application/json",
    }
    return ask(method, ENDPOINT + path, body, headers)


def ask(method, url, body=None, headers={}):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        with refusal:
            text = refusal.read()
            return refusal.code, json.loads(text) if text.startswith(b"{") else text


def profile(name):
    """`None`: nobody has it. By the way of the deployed function."""
    status, found = call("GET", f"/v1/profiles/{urllib.parse.quote(name, safe='')}", TOKEN)
    return found if status == 200 else None


def put(lines, keys):
    """Puts records into the stream as a careful producer does: what was not taken goes again, in its order. Answers the first
    one's sequence number."""
    kinesis = boto3.client("kinesis")
    records = [{"Data": line.encode(), "PartitionKey": key} for line, key in zip(lines, keys, strict=True)]
    first = None
    while records:
        answers = kinesis.put_records(StreamName=OUTPUTS["StreamName"], Records=records[:500])["Records"]
        first = first or next((int(answer["SequenceNumber"]) for answer in answers if "SequenceNumber" in answer), None)
        left = [record for record, answer in zip(records, answers) if "ErrorCode" in answer]
        records = left + records[500:]
    return first


def items(partition):
    """Of State."""
    pages = boto3.client("dynamodb").get_paginator("query").paginate(
        TableName=OUTPUTS["StateTable"],
        KeyConditionExpression="#partition = :partition",
        ExpressionAttributeNames={"#partition": "partition"},
        ExpressionAttributeValues={":partition": {"S": partition}},
    )
    return [item for page in pages for item in page["Items"]]


def until(what, answer):
    began = time.monotonic()
    while not (found := answer()):
        if time.monotonic() - began > WITHIN_S:
            raise SystemExit(f"{what}: not within {WITHIN_S} s")
        time.sleep(0.3)
    print(f"{what}: after {time.monotonic() - began:.1f} s", flush=True)
    return found


def check_equal(what, found, expected):
    if found != expected:
        if isinstance(found, list):
            found, expected = missing(found, expected), missing(expected, found)
        raise SystemExit(f"{what}: {shown(found)}, not {shown(expected)}")


def shown(value):
    """As much of it as a person reads."""
    text = repr(value)
    return text if len(text) < 2000 else f"{text[:2000]}… ({len(value)} in all)"


def missing(these, others):
    left = list(others)
    return [one for one in these if not (one in left and left.remove(one) is None)]


def delta(name):
    """`None`: the first commit is still to come."""
    options = {"AWS_ENDPOINT_URL": ENDPOINT, "AWS_ALLOW_HTTP": "true", "AWS_REGION": os.environ["AWS_REGION"]}
    with contextlib.suppress(deltalake.exceptions.TableNotFoundError):
        return deltalake.DeltaTable(f"s3://{OUTPUTS['LakeBucket']}/{name}", storage_options=options)


def rows(name, columns=None, since=0):
    """Of the deployed stack, from the record with the sequence number `since` on."""
    table = delta(name)
    wanted = columns and [*columns, "sequence"]
    found = table.to_pyarrow_table(columns=wanted).to_pylist() if table else []
    return [row for row in found if int(row["sequence"]) >= since]


def tables(since=0):
    return {name: rows(name, since=since) for name in TABLES}


def tables_here(lines):
    """The same lines as a file dropped on one machine."""
    with tempfile.TemporaryDirectory() as folder:
        shop, file = pathlib.Path(folder, "shop"), pathlib.Path(folder, "all.jsonl")
        file.write_text("".join(line + "\n" for line in lines))
        for command in [["init", str(shop)], ["drop", str(file), "--dir", str(shop)]]:
            subprocess.run([CDP, *command], check=True, stdout=subprocess.DEVNULL)
        table = lambda name: deltalake.DeltaTable(str(shop / "lake" / name))
        return {name: table(name).to_pyarrow_table().to_pylist() for name in TABLES}


def clickstream(*arguments):
    """Lines of events, and of each the person that it is of and what is special about it."""
    with tempfile.TemporaryDirectory() as folder:
        generate = ["events/clickstream/generate.py", *map(str, arguments), "--out", folder]
        subprocess.run(["python3", *generate], check=True, stdout=subprocess.DEVNULL)
        lines = pathlib.Path(folder, "events.jsonl").read_text().splitlines()
        truth = [row.split(",") for row in pathlib.Path(folder, "truth.csv").read_text().splitlines()[1:]]
        return lines, [person for _, _, person, _ in truth], [flags for _, _, _, flags in truth]


def is_json(line):
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def message_of(row):
    """An id that was made of a record's place is another one in another place."""
    is_made = row["message_id"].startswith(("pos-", "drop-"))
    return "" if is_made else row["message_id"]


def positions(name, since=0):
    found = rows(name, ["partition", "sub"], since)
    return [(row["partition"], row["sequence"], row["sub"]) for row in found]


def check_no_position_twice():
    for name in ["events", "quarantine"]:
        found = positions(name)
        check_equal(f"positions that {name} has once", len(set(found)), len(found))


def check_nothing_is_given_up():
    """Queues of dead letters are empty."""
    sqs = boto3.client("sqs")
    for queue in sqs.list_queues().get("QueueUrls", []):
        asked = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])
        check_equal(f"letters in {queue}", asked["Attributes"]["ApproximateNumberOfMessages"], "0")


def function(construct):
    """The function of a construct of infra/lib."""
    pages = boto3.client("lambda").get_paginator("list_functions").paginate()
    found = [one for page in pages for one in page["Functions"] if construct in one["FunctionName"]]
    check_equal(f"functions of {construct}", len(found), 1)
    return found[0]


def end():
    """Threads that readers of tables leave behind abort the interpreter's own end, now and then."""
    sys.stdout.flush()
    os._exit(0)
