"""The commands with --aws tell of the deployed stack what they tell of one machine that was given the same. After road.py."""

import collections
import json
import os
import pathlib
import subprocess
import tempfile

import boto3

from stack import CDP, OUTPUTS, check_equal, until


def cdp(*arguments, code=0, env=os.environ):
    done = subprocess.run([CDP, *arguments], capture_output=True, env=env, timeout=300)
    if done.returncode != code:
        raise SystemExit(f"cdp {' '.join(arguments)}: exit code {done.returncode}, not {code}: {done.stderr.decode()}")
    return done


def rows(*arguments):
    return json.loads(cdp(*arguments, "--format", "json").stdout)


def check_all_there(what, found, expected):
    missing = expected - found
    if missing or not expected:
        raise SystemExit(f"{what}: of {expected.total()} {missing.total()} are missing, such as {list(missing)[:3]}")
    print(f"{what}: {expected.total()}, as on one machine")


# --- the proof

def proof_at_rest():
    proof = json.loads(cdp("verify", "--aws", "--format", "json").stdout)
    return proof if proof["at_rest"] else None


proof = until("it comes to rest", proof_at_rest)
check_equal("the proof holds at rest", proof["holds"], True)
counted = {check["name"]: check["found"] for check in proof["checks"]}

# --- people

jane = rows("profile", "user_id:jane doe/7", "--aws")
check_equal("Jane's events", jane["events"]["total"], 3)
check_equal("Jane by another name", rows("profile", "anonymous_id:janes-laptop", "--aws")["id"], jane["id"])
cdp("profile", "user_id:nobody", "--aws", code=1)

# --- the same on one machine

generate = ["python3", "events/clickstream/generate.py", "--events", "1500", "--people", "100", "--seed", "5", "--out"]
EVENTS = "select message_id, anonymous_id, user_id, event, type, properties, timestamp from events where message_id not like 'pos-%'"
PEOPLE = "select identifiers, traits, counts, events from people"
QUARANTINE = "select reason, field, bytes from quarantine"

with tempfile.TemporaryDirectory() as folder:
    subprocess.run([*generate, folder], check=True, stdout=subprocess.DEVNULL)
    shop, file = f"{folder}/shop", pathlib.Path(folder, "events.jsonl")
    cdp("init", shop)
    cdp("drop", str(file), "--dir", shop)
    events_here, people_here, refused_here = (rows("query", sql, "--dir", shop) for sql in (EVENTS, PEOPLE, QUARANTINE))


def events(rows):
    """Properties as values: their text depends on the way they came. An id that was made of a record's place is left out: it is
    another one in another place."""
    kept = [row for row in rows if not row["message_id"].startswith("drop-")]
    told = [{**row, "properties": json.loads(row["properties"] or "null")} for row in kept]
    return collections.Counter(json.dumps(row, sort_keys=True) for row in told)


def people(rows):
    """Profiles' ids are made of places, too: a person is known by the identifiers, and they by nothing else here."""
    names = lambda row: sorted((one["namespace"], one["value"]) for one in json.loads(row["identifiers"]))
    traits = lambda row: json.loads(row["traits"])
    told = [[names(row), traits(row), json.loads(row["counts"]), row["events"]] for row in rows]
    return collections.Counter(json.dumps(person, sort_keys=True) for person in told)


def refused(rows):
    """Bytes as they came by the stream. What came by HTTP was an element of a batch: there it is the value that stays."""
    return collections.Counter(json.dumps([row["reason"], row["field"], value(bytes.fromhex(row["bytes"]))]) for row in rows)


def value(record):
    try:
        return json.dumps(json.loads(record), sort_keys=True)
    except ValueError:
        return record.hex()


there = lambda sql: rows("query", sql, "--aws", "--engine", "datafusion")
check_all_there("events", events(there(EVENTS)), events(events_here))
check_all_there("people", people(there(PEOPLE)), people(people_here))
check_all_there("what was refused", refused(there(QUARANTINE)), refused(refused_here))

# --- Athena

for name, sql in {
    "events": "select count(*) as n from events",
    "events of a day": "select date, count(*) as n from events group by date order by date",
    "kinds": "select type, count(*) as n, min(user_id) as least from events group by type order by type",
    "people": "select profile_id, traits, events from people order by profile_id",
    "who is who": "select profile_id, canonical_id from canonical order by profile_id",
    "events of people": "select c.canonical_id, count(*) as n from events e join canonical c on c.profile_id = e.profile_id "
    "group by c.canonical_id order by c.canonical_id",
    "quarantine": "select reason, count(*) as n from quarantine group by reason order by reason",
}.items():
    check_equal(f"Athena and DataFusion, {name}", rows("query", sql, "--aws"), there(sql))
found = cdp("query", "select count(*) as n from events", "--aws", "--format", "csv")
check_equal("the count that the proof has", found.stdout.decode(), f"n\n{counted['accepted_in_events']}\n")
check_equal("what was scanned is told", b"were scanned" in found.stderr, True)
cdp("query", "select nothing from events", "--aws", code=2)
cdp("query", "select 1 from nowhere", "--aws", code=2)

# What Athena itself needs to read the log, which the emulator's way of reading does not prove.
tables = boto3.client("glue").get_tables(DatabaseName=OUTPUTS["Database"])["TableList"]
for table in tables:
    if table["TableType"] != "VIRTUAL_VIEW":
        name, storage = table["Name"], table["StorageDescriptor"]
        asked = rows("query", f"select column_name from information_schema.columns where table_name = '{name}'", *(
            "--aws", "--engine", "datafusion"))
        columns = [column["Name"] for column in storage["Columns"]]
        check_equal(f"columns of {name}", columns, [row["column_name"] for row in asked])
        check_equal(f"{name} is", (table["Parameters"]["table_type"], storage["Location"]),
                    ("DELTA", f"s3://{OUTPUTS['LakeBucket']}/{name}/"))
check_equal("views", sorted(t["Name"] for t in tables if t["TableType"] == "VIRTUAL_VIEW"), ["canonical", "people"])

# --- quarantine

listed = rows("quarantine", "list", "--aws", "--reason", "no_identifier", "--limit", "3")
shown = [cdp("quarantine", "show", row["position"], "--aws").stdout for row in listed]
for row, record in zip(listed, shown):
    sql = f"select count(*) as n from quarantine where partition || '@' || sequence || '.' || cast(sub as varchar) = '{row['position']}'"
    check_equal("a position is a record's own", there(sql), [{"n": 1}])
    check_equal("its bytes are as they came", isinstance(json.loads(record), dict), True)
cdp("quarantine", "show", "nowhere@1.0", "--aws", code=1)
# Of a source that nobody has: what goes again is replay.py's.
check_equal("a replay of nothing", rows("quarantine", "replay", "--aws", "--source", "nobody"), [{"replayed": 0, "replayed_before": 0}])
for from_, told in [
    (f"s3://{OUTPUTS['LakeBucket']}", "own lake"),
    ("s3://cdp-nowhere", "s3://cdp-nowhere is no lake"),
    (f"s3://{OUTPUTS['LakeBucket']}/nowhere", "is no lake"),
]:
    refused = cdp("replay", "--aws", "--from", from_, code=2)
    check_equal(f"why {from_} is not replayed", told in refused.stderr.decode(), True)

# --- drops

with tempfile.TemporaryDirectory() as folder:
    file = pathlib.Path(folder, "dropped-by-cli.csv")
    file.write_text("user_id,email,city\ncli-1,one@example.org,Lyon\ncli-2,two@example.org,Oslo\n,,\n")
    if "DropBucket" in OUTPUTS:
        dropped = [rows("drop", str(file), "--aws", "--source", "partner")[0] for _ in range(2)]
        cdp("init", f"{folder}/shop")
        here = rows("drop", str(file), "--dir", f"{folder}/shop")[0]
        told = ("file", "status", "rows", "events", "taken", "refused", "refused_by_reason", "partition")
        for report in dropped:
            check_equal("what became of a file", {key: report[key] for key in told}, {key: here[key] for key in told})
    else:
        told = cdp("drop", str(file), "--aws", "--source", "partner", code=2).stderr
        check_equal("a stack that takes no files says so", b"no output DropBucket" in told, True)

# --- what goes wrong is told with its remedy

check_equal("no such stage", b"no stack cdp-nowhere in us-east-1" in cdp("verify", "--aws", "--stage", "nowhere", code=2).stderr, True)

iam, user = boto3.client("iam"), "may-find-the-stack"
iam.create_user(UserName=user)
may = {"Effect": "Allow", "Action": "cloudformation:DescribeStacks", "Resource": "*"}
iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [may]}))
key = iam.create_access_key(UserName=user)["AccessKey"]
theirs = {**os.environ, "AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
for command, action in {
    ("profile", "user_id:jane"): b"dynamodb:BatchGetItem",
    ("query", "select 1 as n"): b"athena:StartQueryExecution",
    ("quarantine", "list"): b"s3:GetObject",
}.items():
    told = cdp(*command, "--aws", code=3, env=theirs).stderr
    check_equal(f"{command[0]} names what it may not do", action in told, True)
