"""What is sent to the deployed stack, by HTTP and by boto3, comes out as profiles and Delta tables, as on one machine."""

import base64
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
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(ENDPOINT + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.loads(refusal.read() or b"{}")


def until(what, holds):
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > WITHIN_S:
            raise SystemExit(f"{what}: not within {WITHIN_S} s")
        time.sleep(0.5)
    print(f"{what}: after {time.monotonic() - began:.1f} s")


def table(name):
    options = {"AWS_ENDPOINT_URL": ENDPOINT, "AWS_ALLOW_HTTP": "true", "AWS_REGION": os.environ["AWS_REGION"]}
    try:
        read = deltalake.DeltaTable(f"s3://{OUTPUTS['LakeBucket']}/{name}", storage_options=options)
    except deltalake.exceptions.TableNotFoundError:
        return []
    return read.to_pyarrow_table().to_pylist()


def check_equal(what, found, expected):
    if found != expected:
        if isinstance(found, list):
            found, expected = [one for one in found if one not in expected], [one for one in expected if one not in found]
        raise SystemExit(f"{what}: {found!r}, not {expected!r}")


with tempfile.TemporaryDirectory() as folder:
    generate = ["events/clickstream/generate.py", "--events", "1500", "--people", "100", "--seed", "5", "--out", folder]
    subprocess.run(["python3", *generate], check=True, stdout=subprocess.DEVNULL)
    lines = pathlib.Path(folder, "events.jsonl").read_text().splitlines()



def is_json(line):
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


# Half as a producer of the stream, with what can't become an event; the other half as SDKs do, in batches.
by_http = [line for line in lines[len(lines) // 2 :] if is_json(line)]
refused = ["not JSON", '{"type":"track","event":"Seen"}', '{"userId":"jane"}']
by_stream = [*lines[: len(lines) // 2], *(line for line in lines[len(lines) // 2 :] if not is_json(line)), *refused]
records = [{"Data": line.encode(), "PartitionKey": str(at % 7)} for at, line in enumerate(by_stream)]
kinesis = boto3.client("kinesis")
for at in range(0, len(records), 500):
    answer = kinesis.put_records(StreamName=OUTPUTS["StreamName"], Records=records[at : at + 500])
    check_equal("records that the stream refused", answer["FailedRecordCount"], 0)
for at in range(0, len(by_http), 100):
    batch = [json.loads(line) for line in by_http[at : at + 100]]
    check_equal("a batch by HTTP", call("POST", "/v1/batch", WRITE_KEY, {"batch": batch}), (200, {"success": True}))

# Jane, by her phone, then by her laptop, by a name that a path has to escape.
for event in [
    {"type": "identify", "userId": "jane doe/7", "anonymousId": "janes-phone", "traits": {"email": "jane@example.com"}},
    {"type": "track", "event": "Seen", "anonymousId": "janes-laptop"},
    {"type": "identify", "userId": "jane doe/7", "anonymousId": "janes-laptop"},
]:
    check_equal("a call", call("POST", f"/v1/{event['type']}", WRITE_KEY, event)[0], 200)

check_equal("a wrong write key", call("POST", "/v1/track", "wrong", {"userId": "x", "event": "y"})[0], 401)
check_equal("a wrong token", call("GET", "/v1/profiles/user_id:x", "wrong")[0], 401)
check_equal("nobody", call("GET", "/v1/profiles/user_id:nobody", TOKEN)[0], 404)


def jane(name):
    status, profile = call("GET", f"/v1/profiles/{urllib.parse.quote(name, safe='')}", TOKEN)
    return (profile["id"], profile["events"]["total"]) if status == 200 else None


names = ["user_id:jane doe/7", "email:jane@example.com", "anonymous_id:janes-laptop", "anonymous_id:janes-phone"]
until("Jane is one person by each of her names", lambda: {jane(name) for name in names} == {jane(names[0])} != {None})
until("Jane has three events", lambda: jane(names[0])[1] == 3)

# The same input on one machine.
with tempfile.TemporaryDirectory() as folder:
    shop, file = pathlib.Path(folder, "shop"), pathlib.Path(folder, "all.jsonl")
    file.write_text("\n".join(lines) + "\n")
    for command in [["init", str(shop)], ["drop", str(file), "--dir", str(shop)]]:
        subprocess.run([CDP, *command], check=True, stdout=subprocess.DEVNULL)
    query = "select message_id, anonymous_id, event, type from events"
    rows = subprocess.run([CDP, "query", query, "--dir", str(shop), "--format", "json"], check=True, capture_output=True)
    here = json.loads(rows.stdout)
    query = "select count(*) as n from quarantine"
    rows = subprocess.run([CDP, "query", query, "--dir", str(shop), "--format", "json"], check=True, capture_output=True)
    refused_here = json.loads(rows.stdout)[0]["n"]


def sorted_events(rows):
    """Without Jane's; an id that was made of a record's place is another one in another place."""
    of_others = [row for row in rows if not str(row["anonymous_id"]).startswith("janes-")]
    is_made = lambda row: row["message_id"].startswith(("pos-", "drop-"))
    return sorted(("" if is_made(row) else row["message_id"], row["event"] or "", row["type"]) for row in of_others)


until("all events are in the table", lambda: len(sorted_events(table("events"))) >= len(here))
check_equal("events as on one machine", sorted_events(table("events")), sorted_events(here))
until("what was refused is in quarantine", lambda: len(table("quarantine")) >= refused_here + len(refused))
check_equal("quarantine", len(table("quarantine")), refused_here + len(refused))
print(f"{len(here)} events and {refused_here + len(refused)} refusals, as on one machine")

# Threads that readers of tables leave behind abort the interpreter's own end, now and then.
sys.stdout.flush()
os._exit(0)
