"""Files that are put into the drop bucket, or come by SFTP, end as they do on one machine: reports, events, quarantine."""

import gzip
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import boto3
import deltalake
import pyarrow as pa
import pyarrow.parquet as pq

from stack import CDP, ENDPOINT, OUTPUTS, ask, check_equal, until

SFTP_KEY, SFTP_PORT = os.environ["CDP_SFTP_KEY"], os.environ["CDP_SFTP_PORT"]
ROWS = 80_000

s3, sqs, functions = map(boto3.client, ("s3", "sqs", "lambda"))
BUCKET = OUTPUTS["DropBucket"]

work = pathlib.Path(tempfile.mkdtemp())
shop = work / "shop"
subprocess.run([CDP, "init", shop], check=True, stdout=subprocess.DEVNULL)


def read(key):
    try:
        return json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    except s3.exceptions.NoSuchKey:
        return None


def over(name, version, source="partner"):
    """The report of that version, once it is none of a file on its way."""
    report = read(f"{source}/.reports/{name}.json")
    is_of_it = report is not None and report["mark"].split(" ")[0] == version
    return report if is_of_it and report["status"] != "running" else None


def put(name, path, source="partner"):
    s3.upload_file(str(path), BUCKET, f"{source}/{name}")
    return s3.head_object(Bucket=BUCKET, Key=f"{source}/{name}")["VersionId"]


TOLD = ["status", "detail", "format", "compression", "encoding", "rows", "events", "taken", "duplicates", "refused"]
TOLD += ["refused_by_reason", "examples", "partition"]


def told(report):
    return {name: report[name] for name in TOLD}


def here(path):
    """What one machine says to the file."""
    subprocess.run([CDP, "drop", path, "--source", "partner", "--dir", shop], capture_output=True)
    reports = (shop / "drops" / "partner" / ".reports").iterdir()
    return told(json.loads(max(reports, key=lambda report: report.stat().st_mtime_ns).read_text()))


def both(name, path):
    version = put(name, path)
    report = until(f"{name} is taken in", lambda: over(name, version))
    check_equal(f"the report on {name}", told(report), here(path))
    return report


def file(name, content):
    (work / name).write_bytes(content)
    return work / name


# Each format, and what can't be read.
people = "user_id;email;plan\nu1;a@example.com;pro\nu2;José@example.com;free\n;;free\n"
seen = [{"type": "track", "event": "Seen", "userId": f"u{n}", "messageId": f"m{n}"} for n in range(1, 4)]
seen = gzip.compress("".join(json.dumps(event) + "\n" for event in seen).encode())
dice = random.Random(7)
orders = {"userId": [f"o{dice.randrange(50)}" for _ in range(9000)], "event": ["Bought"] * 9000}
pq.write_table(pa.table({**orders, "revenue": [float(n) for n in range(9000)]}), work / "orders.parquet", row_group_size=2000)
check_equal("people.csv", both("people.csv", file("people.csv", people.encode("windows-1252")))["status"], "done")
check_equal("seen.jsonl.gz", both("seen.jsonl.gz", file("seen.jsonl.gz", seen))["taken"], 3)
check_equal("orders.parquet", both("orders.parquet", work / "orders.parquet")["taken"], 9000)
check_equal("book.xlsx", both("book.xlsx", file("book.xlsx", b"PK\x03\x04 and so on"))["status"], "refused")
lines = "".join(json.dumps({"type": "track", "event": "Cut", "userId": "u1", "messageId": f"c{n * 7919}"}) + "\n" for n in range(900))
check_equal("cut.jsonl.gz", both("cut.jsonl.gz", file("cut.jsonl.gz", gzip.compress(lines.encode())[:-2000]))["status"], "truncated")

# The same content again, by its name and by another; then another content by that name.
version = put("people.csv", work / "people.csv")
check_equal("the same again", until("people.csv again", lambda: over("people.csv", version))["status"], "done")
version = put("2026/people copy+1.csv", work / "people.csv")
again = until("people.csv by another name", lambda: over("people copy+1.csv", version, "partner/2026"))
check_equal("by another name", (again["status"], again["detail"]), ("already_taken", "as people.csv"))
longer = file("people.csv", (people + "u3;c@example.com;pro\n").encode("windows-1252"))
version = put("people.csv", longer)
report = until("people.csv replaced", lambda: over("people.csv", version))
check_equal("the corrected file", {**told(report), "detail": None}, {**here(longer), "detail": None})
check_equal("the corrected file", (report["taken"], report["duplicates"]), (1, 2))

# What is no file of a source.
version = put("orders.csv", longer, "partnr")
unknown = until("a source that nobody knows", lambda: over("orders.csv", version, "partnr"))
check_equal("its report", unknown["detail"], 'there is no drop source "partnr" in cdp.toml; there is partner')
put("late.csv.part", file("late.csv", b"user_id,plan\nu9,late\n"))

# By SFTP, as clients do it: under a name that is passed over, then by its own.
script = f"put {work / 'late.csv'} sent.csv.filepart\nrename sent.csv.filepart sent.csv\nls -l\n"
options = ["-i", SFTP_KEY, "-P", SFTP_PORT, "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={work / 'known'}", "-b", "-"]
sent = subprocess.run(["sftp", *options, "partner@127.0.0.1"], input=script, capture_output=True, text=True)
check_equal("sftp", (sent.returncode, "sent.csv" in sent.stdout), (0, True) if sent.returncode == 0 else sent.stderr)
report = until("a file by SFTP", lambda: read("partner/.reports/sent.csv.json"))
check_equal("its report", told(report), here(work / "late.csv"))
script = f"get .reports/sent.csv.json {work / 'sent.json'}\n"
subprocess.run(["sftp", *options, "partner@127.0.0.1"], input=script, check=True, capture_output=True, text=True)
check_equal("its report by SFTP", json.loads((work / "sent.json").read_text()), report)
check_equal("what is not finished yet", read("partner/.reports/late.csv.part.json"), None)

# A batch for each invocation, by two names at a time: whoever is fenced off comes again. An invocation takes its first batch
# whatever the time, and goes on while more is left than the five seconds that it keeps for its answer.
resources = boto3.client("cloudformation").list_stack_resources(StackName="cdp-dev")["StackResourceSummaries"]
drops = next(
    one["PhysicalResourceId"]
    for one in resources
    if one["ResourceType"] == "AWS::Lambda::Function" and one["LogicalResourceId"].startswith("Drops")
)
functions.update_function_configuration(FunctionName=drops, Timeout=5)
sqs.set_queue_attributes(QueueUrl=OUTPUTS["DropQueue"], Attributes={"VisibilityTimeout": "6"})
with open(work / "large.csv", "w") as large:
    large.write("user_id,event,timestamp,note\n")
    large.writelines(f"c{dice.randrange(40)},Visited,2025-03-01T00:00:00Z,visit {n}\n" for n in range(ROWS))
names = ["large.csv", "large-too.csv"]
versions = [put(name, work / "large.csv") for name in names]
reports = [until(f"{ROWS} rows as {name}", lambda: over(name, version)) for name, version in zip(names, versions)]
check_equal("one content by two names", sorted(report["status"] for report in reports), ["already_taken", "done"])
expected = here(work / "large.csv")
for report in reports:
    check_equal("the report on it", {**expected, **{name: report[name] for name in ("status", "detail")}}, told(report))
logs = boto3.client("logs")
group = functions.get_function(FunctionName=drops)["Configuration"]["LoggingConfig"]["LogGroup"]
lines = logs.filter_log_events(logGroupName=group, filterPattern='"is gone on with in the next invocation"')["events"]
if not lines:
    raise SystemExit("large.csv was taken in by one invocation")
sqs.set_queue_attributes(QueueUrl=OUTPUTS["DropQueue"], Attributes={"VisibilityTimeout": "960"})
functions.update_function_configuration(FunctionName=drops, Timeout=900)
print(f"{ROWS} rows took {len(lines) + 1} invocations")


# What can't be taken in is given up, and says so; sent on once the cause is mended, it is taken in from where it stood.
faults = lambda rules: check_equal("the faults are taken", ask("PUT", f"{ENDPOINT}/_faults", rules)[0], 200)
faults([{"call": "dynamodb:UpdateItem", "by": "Drops", "fault": "broken"}])
sqs.set_queue_attributes(QueueUrl=OUTPUTS["DropQueue"], Attributes={"VisibilityTimeout": "1"})
version = put("stuck.csv", file("stuck.csv", b"user_id,plan\nstuck,free\n"))
stuck = until("a file is given up", lambda: over("stuck.csv", version))
check_equal("its report", (stuck["status"], stuck["taken"]), ("given_up", 0))
check_equal("why", "given up after 5 tries: the platform could not keep its rows" in stuck["detail"], True)
letter = until("its dead letter", lambda: sqs.receive_message(QueueUrl=OUTPUTS["DropDeadLetters"]).get("Messages"))[0]
faults([])
sqs.set_queue_attributes(QueueUrl=OUTPUTS["DropQueue"], Attributes={"VisibilityTimeout": "960"})
sqs.send_message(QueueUrl=OUTPUTS["DropQueue"], MessageBody=letter["Body"])
sqs.delete_message(QueueUrl=OUTPUTS["DropDeadLetters"], ReceiptHandle=letter["ReceiptHandle"])
mended = until("it is sent on", lambda: (report := over("stuck.csv", version)) and report["status"] != "given_up" and report)
check_equal("the report on stuck.csv", told(mended), here(work / "stuck.csv"))


# The tables, row by row.
def table(name, columns):
    options = {"AWS_ENDPOINT_URL": ENDPOINT, "AWS_ALLOW_HTTP": "true", "AWS_REGION": os.environ["AWS_REGION"]}
    rows = deltalake.DeltaTable(f"s3://{OUTPUTS['LakeBucket']}/{name}", storage_options=options).to_pyarrow_table(columns=columns)
    return sorted(tuple(map(str, row.values())) for row in rows.to_pylist() if row["partition"] in contents)


def table_here(name, columns):
    command = [CDP, "query", f"select {', '.join(columns)} from {name}", "--dir", shop, "--format", "json"]
    rows = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return sorted(tuple(map(str, (row[column] for column in columns))) for row in rows)


# Of the contents that were put here: others may have dropped files before.
of_both = "select partition from events union select partition from quarantine"
answer = subprocess.run([CDP, "query", of_both, "--dir", shop, "--format", "json"], check=True, capture_output=True)
contents = {row["partition"] for row in json.loads(answer.stdout)}
for name, columns in [
    ("events", ["partition", "sequence", "type", "event", "user_id", "message_id", "properties"]),
    ("quarantine", ["partition", "sequence", "reason", "detail"]),
]:
    expected = table_here(name, columns)
    until(f"{len(expected)} rows of {name}", lambda: len(table(name, columns)) >= len(expected))
    if table(name, columns) != expected:
        raise SystemExit(f"{name} differ: {set(table(name, columns)) ^ set(expected)}"[:2000])
waiting = sqs.get_queue_attributes(QueueUrl=OUTPUTS["DropQueue"], AttributeNames=["All"])["Attributes"]
check_equal("files that wait", waiting["ApproximateNumberOfMessages"], "0")
letters = json.loads(waiting["RedrivePolicy"])["deadLetterTargetArn"].rsplit(":", 1)[1]
letters = sqs.get_queue_url(QueueName=letters)["QueueUrl"]
letters = sqs.get_queue_attributes(QueueUrl=letters, AttributeNames=["All"])["Attributes"]
check_equal("dead letters", letters["ApproximateNumberOfMessages"], "0")

sys.stdout.flush()
os._exit(0)
