"""What the functions consume on AWS, by the event and by the batch: requests, DynamoDB's units, processor time, bytes.

    python tests/bench/aws.py [--functions target/lambda] [--events .cache/labelled] [--json FILE] [--toml FILE]

The functions are the processes that Lambda would start, called through a Runtime API of ours with batches as event source
mappings cut them: by a window, 10,000 records, 6 MB. (The emulator's own mappings know no windows, so the stack is not deployed.)
DynamoDB, S3, Kinesis and Secrets Manager are the emulator's, with a meter (meter.py). How long AWS would take to answer can't be
measured here, so the requests are counted. `cdp cost` reads the result, crates/cdp-cost/src/consumption.toml.

Runs with a Python that has tests/live/aws/requirements.txt (`infra/emulator install`).
"""

import argparse
import base64
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

import boto3

from runtime import SECRETS, SETTINGS, TOKEN, WRITE_KEY, Function, free_port, surroundings
from traffic import DEVICE, Shard, Traffic, compress, events_of, partition_key

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Seconds that a batch may wait, the events a second of its shard, and how many producers compress into a record. A shard has as
# many as its batches of 6 MB take, at most 850.
WINDOWS = {1: (850, 1), 3: (850, 1), 5: (500, 1), 10: (250, 1), 30: (85, 1), 60: (42, 1), 300: (40, 100)}
BATCHES = 3
MOST_RECORDS = 10_000
# Kinds of items that a batch writes whatever is in it; all others follow its events.
OF_A_BATCH = ("checkpoints", "outbox", "plan")


class Cloud:
    """The emulator, and a deployment's table, bucket, stream and secret in it."""

    def __init__(self, folder):
        self.folder, port = folder, free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "GATEWAY_PORT": str(port),
            "BIND_HOST": "127.0.0.1",
            "IOT_MTLS_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
        }
        meter = pathlib.Path(__file__).parent / "meter.py"
        self.log = open(folder / "emulator.log", "wb")
        self.process = subprocess.Popen([sys.executable, meter], env=environment, stdout=self.log, stderr=self.log)
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{self.endpoint}/_ministack/ready", timeout=2).close()
                break
            except OSError:
                time.sleep(0.1)
        os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="us-east-1")
        self.client = lambda service: boto3.client(service, endpoint_url=self.endpoint)
        self.stack = {}

    def deploy(self, name):
        """Fresh: nothing of before is in it."""
        text = {"AttributeType": "S"}
        self.client("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "partition", "KeyType": "HASH"}, {"AttributeName": "sort", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": "partition", **text}, {"AttributeName": "sort", **text}],
            BillingMode="PAY_PER_REQUEST",
        )
        self.client("s3").create_bucket(Bucket=name)
        self.client("kinesis").create_stream(StreamName=name, ShardCount=1)
        self.client("secretsmanager").create_secret(Name=name, SecretString=SECRETS)
        self.stack = {"CDP_STATE_TABLE": name, "CDP_LAKE": f"s3://{name}", "CDP_STREAM": name, "CDP_SECRETS": name}
        self.stack |= {"CDP_WORKGROUP": "cdp-dev", "CDP_DATABASE": "cdp_dev"}

    def undeploy(self):
        self.client("dynamodb").delete_table(TableName=self.stack["CDP_STATE_TABLE"])

    def counts(self):
        with urllib.request.urlopen(f"{self.endpoint}/_meter") as answer:
            return json.load(answer)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


class Measured:
    """What something took: `with Measured(cloud, function) as m: …`, then `m["dynamodb.write_units"]`, `m.cpu_ms`."""

    def __init__(self, cloud, function):
        self.cloud, self.function = cloud, function

    def __enter__(self):
        self.before, self.cpu_before, self.log_before = self.cloud.counts(), self.function.cpu_ms(), self.function.log_bytes()
        return self

    def __exit__(self, *_):
        after = self.cloud.counts()
        self.counts = {name: after[name] - self.before.get(name, 0) for name in after}
        self.cpu_ms = self.function.cpu_ms() - self.cpu_before
        self.log_bytes = self.function.log_bytes() - self.log_before

    def __getitem__(self, name):
        return self.counts.get(name, 0)

    def state_waits(self):
        """How often the function waits for State: adapter-dynamodb sends its writes 32 at once, and most of its reads by two."""
        requests = lambda action: self[f"dynamodb.requests.{action}"]
        one_by_one = requests("TransactWriteItems") + requests("Query") + requests("DeleteItem")
        return one_by_one + requests("BatchGetItem") / 2 + requests("UpdateItem") / 32

    def of_kinds(self, name, kinds):
        return sum(self[f"{name}.{kind}"] for kind in kinds)


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.cloud = Cloud(folder)
        self.traffic = Traffic(options.events)
        shutil.copy(SETTINGS, folder / "cdp.toml")

    def function(self, name):
        command = [str(self.options.functions / f"fn-{name}")]
        log = self.folder / f"{name}.log"
        return Function(command, surroundings(name, self.folder, self.cloud.endpoint, **self.cloud.stack), log)

    def ingest(self, function, batch):
        answer = function.call(batch)
        if answer.get("batchItemFailures"):
            raise SystemExit(f"ingest did not take all of a batch: {answer}; see {function.log.name}")

    # --- ingest

    def window(self, window_s, rate, in_a_record):
        """Batches of one shard, on top of what their people did before."""
        self.cloud.deploy(f"window-{window_s}")
        history, events = self.traffic.slice(rate, window_s * (BATCHES + 1) + 1, seed=window_s)
        ingest, shard, now = self.function("ingest"), Shard(0), time.time()
        for batch in shard.all(history, 2000, now - 3600):
            self.ingest(ingest, batch)
        applied = len(history)

        batches = list(shard.batches(events, window_s, MOST_RECORDS, now - 600, in_a_record))
        lines = [line for batch in batches for record in batch["Records"] for line in events_of(record)]
        records = len(lines)
        with Measured(self.cloud, ingest) as took:
            for batch in batches:
                self.ingest(ingest, batch)
        devices = sum(len({partition_key(line) for record in batch["Records"] for line in events_of(record)}) for batch in batches)
        kinds = {name.split(".", 2)[2] for name in took.counts if name.startswith("dynamodb.write_units.")}
        of_events = sorted(kind for kind in kinds if kind not in OF_A_BATCH)
        held = sum(took.cloud.counts().get(f"dynamodb.stored_bytes.{kind}", 0) for kind in of_events)
        row = {
            "window_s": window_s,
            "shard_events_per_second": rate,
            "events_per_record": in_a_record,
            "batches": len(batches),
            "events_per_batch": records / len(batches),
            "events_of_a_device_per_batch": records / devices,
            "write_units_per_event": took.of_kinds("dynamodb.write_units", of_events) / records,
            "profile_write_units_per_event": took["dynamodb.write_units.profile.profile"] / records,
            "profile_bytes": took["dynamodb.written_bytes.profile.profile"] / max(1, took["dynamodb.writes.profile.profile"]),
            "set_bytes": took["dynamodb.written_bytes.profile.set"] / max(1, took["dynamodb.writes.profile.set"]),
            "set_write_units_per_event": took["dynamodb.write_units.profile.set"] / records,
            "claim_write_units_per_event": took["dynamodb.write_units.id"] / records,
            "read_units_per_event": took.of_kinds("dynamodb.read_units", of_events) / records,
            "batch_write_units": took.of_kinds("dynamodb.write_units", OF_A_BATCH) / len(batches),
            "batch_read_units": (took.of_kinds("dynamodb.read_units", OF_A_BATCH) + took["dynamodb.read_units.query"]) / len(batches),
            "batch_dear_requests": took["s3.dear_requests"] / len(batches),
            "batch_cheap_requests": took["s3.cheap_requests"] / len(batches),
            "lake_bytes_per_event": took["s3.put_bytes"] / records,
            "stored_bytes_per_event": held / (applied + records),
            "cpu_ms_per_event": took.cpu_ms / records,
            "state_waits_per_batch": took.state_waits() / len(batches),
            "log_bytes_per_batch": took.log_bytes / len(batches),
            "peak_mib": ingest.peak_kib() / 1024,
        }
        ingest.stop()
        self.cloud.undeploy()
        return row

    # --- what runs by the clock, and by the call

    def upkeep(self):
        """Small batches, each committed by itself; then ten batches in one commit; then a round of upkeep."""
        self.cloud.deploy("upkeep")
        _, events = self.traffic.slice(50, 240, seed=1)
        ingest, commit, shard = self.function("ingest"), self.function("commit"), Shard(0)
        batches = list(shard.batches(events, 4, MOST_RECORDS, time.time() - 600))[:50]
        alone, together = batches[:40], batches[40:]
        wakes = []
        with Measured(self.cloud, ingest) as small:
            for batch in alone:
                self.ingest(ingest, batch)
                with Measured(self.cloud, commit) as took:
                    commit.call({})
                wakes.append(took)
        single = {name: sum(wake[name] for wake in wakes) / len(wakes) for name in wakes[0].counts}
        single["cpu_ms"] = sum(wake.cpu_ms for wake in wakes) / len(wakes)
        for batch in together:
            self.ingest(ingest, batch)
        with Measured(self.cloud, commit) as many:
            commit.call({})
        with Measured(self.cloud, commit) as nothing:
            commit.call({})
        tell = {
            "write_units": "dynamodb.write_units",
            "read_units": "dynamodb.read_units",
            "dear_requests": "s3.dear_requests",
            "cheap_requests": "s3.cheap_requests",
        }
        figures = {f"per_commit_{name}": single.get(counted, 0) for name, counted in tell.items()}
        figures["per_commit_cpu_ms"] = single["cpu_ms"]
        # One asks after the other.
        requests = [name for name in single if name.startswith("dynamodb.requests.")]
        figures["per_commit_state_waits"] = sum(single[name] for name in requests)
        figures["per_commit_log_bytes"] = sum(wake.log_bytes for wake in wakes) / len(wakes)
        more = len(together) - 1
        figures["per_further_batch_write_units"] = max(0, many["dynamodb.write_units"] - single["dynamodb.write_units"]) / more
        figures["per_further_batch_read_units"] = max(0, many["dynamodb.read_units"] - single["dynamodb.read_units"]) / more
        figures |= {f"idle_{name}": nothing[counted] for name, counted in tell.items()}
        figures["idle_cpu_ms"] = nothing.cpu_ms
        figures["peak_mib"] = commit.peak_kib() / 1024
        commit.stop()

        records = sum(len(batch["Records"]) for batch in batches)
        maintain = self.function("maintain")
        with Measured(self.cloud, maintain) as round_:
            maintain.call({})
        with Measured(self.cloud, maintain) as idle:
            maintain.call({})
        upkeep = {f"idle_{name}": idle[counted] for name, counted in tell.items()}
        upkeep |= {
            "idle_cpu_ms": idle.cpu_ms,
            "per_batch_dear_requests": max(0, round_["s3.dear_requests"] - idle["s3.dear_requests"]) / len(batches),
            "per_batch_cheap_requests": max(0, round_["s3.cheap_requests"] - idle["s3.cheap_requests"]) / len(batches),
            "cpu_ms_per_event": max(0, round_.cpu_ms - idle.cpu_ms) / records,
            "lake_bytes_per_event": round_["s3.put_bytes"] / records,
            "peak_mib": maintain.peak_kib() / 1024,
            "log_bytes_per_round": (round_.log_bytes + idle.log_bytes) / 2,
        }
        maintain.stop()

        # A batch of one event costs hardly more than a batch.
        one = [shard.record(line, time.time()) for _, line in events[-100:]]
        with Measured(self.cloud, ingest) as took:
            for record in one:
                self.ingest(ingest, {"Records": [record]})
        batch = {"cpu_ms": took.cpu_ms / len(one), "state_waits": took.state_waits() / len(one)}
        ingest.stop()
        self.cloud.undeploy()
        return figures, upkeep, batch

    def compressed(self, sizes=(1, 3, 10, 30, 100, 300, 1000), bytes_=4_000_000):
        """What is left of events that arrive one after the other in a shard."""
        _, events = self.traffic.slice(80, 600, seed=3)
        lines, rows = [line for _, line in events], []
        for size in sizes:
            parts = [lines[at : at + size] for at in range(0, len(lines) - size, size)][: max(1, bytes_ // (size * 1200))]
            plain = sum(len(line) for part in parts for line in part)
            rows.append({"events_per_record": size, "share": sum(len(compress(part)) for part in parts) / plain})
        return rows

    def collect(self, sizes=(1, 20, 100), calls=200):
        self.cloud.deploy("calls")
        collect, rows = self.function("collect"), []
        lines = [line for line in self.traffic.lines[: calls * sizes[-1] * 2] if DEVICE.search(line) and is_json(line)]
        for size in sizes:
            at = 0
            with Measured(self.cloud, collect) as took:
                for _ in range(calls):
                    body = b'{"batch":[' + b",".join(lines[at : at + size]) + b"]}"
                    at += size
                    expect(collect.call(http("POST", "/v1/batch", WRITE_KEY, body)), 200)
            rows.append({
                "events_per_call": size,
                "cpu_ms_per_call": took.cpu_ms / calls,
                "stream_requests_per_call": sum(took[name] for name in took.counts if name.startswith("kinesis.requests")) / calls,
                "put_units_per_event": took["kinesis.put_units"] / (calls * size),
                "rounded_bytes_per_event": took["kinesis.rounded_bytes"] / (calls * size),
                "log_bytes_per_call": took.log_bytes / calls,
                "peak_mib": collect.peak_kib() / 1024,
            })
        collect.stop()
        return rows

    def profiles(self, lookups=300):
        history, _ = self.traffic.slice(50, 60, seed=2)
        ingest, shard = self.function("ingest"), Shard(1)
        for batch in shard.all(history[:6000], 2000, time.time()):
            self.ingest(ingest, batch)
        ingest.stop()
        devices = list(dict.fromkeys(found.group(1).decode() for _, line in history[:6000] if (found := DEVICE.search(line))))
        profiles = self.function("profiles")
        with Measured(self.cloud, profiles) as took:
            for at in range(lookups):
                name = f"anonymous_id:{devices[at % len(devices)]}"
                expect(profiles.call(http("GET", f"/v1/profiles/{name}", TOKEN)), 200)
        row = {
            "read_units_per_lookup": took["dynamodb.read_units"] / lookups,
            "cpu_ms_per_lookup": took.cpu_ms / lookups,
            "state_waits_per_lookup": sum(took[name] for name in took.counts if name.startswith("dynamodb.requests.")) / lookups,
            "log_bytes_per_lookup": took.log_bytes / lookups,
            "peak_mib": profiles.peak_kib() / 1024,
        }
        profiles.stop()
        self.cloud.undeploy()
        return row


def http(method, path, user, body=None):
    """As API Gateway's HTTP API hands a call over (payload 2.0)."""
    return {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {
            "authorization": "Basic " + base64.b64encode(f"{user}:".encode()).decode(),
            "content-type": "application/json",
            "host": "0123456789.execute-api.us-east-1.amazonaws.com",
        },
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "0123456789",
            "domainName": "0123456789.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "0123456789",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "bench"},
            "requestId": "request",
            "routeKey": f"{method} {path}",
            "stage": "$default",
            "time": "26/Nov/2026:00:00:00 +0000",
            "timeEpoch": 1795651200000,
        },
        **({"body": body.decode()} if body is not None else {}),
        "isBase64Encoded": False,
    }


def expect(answer, status):
    if answer.get("statusCode") != status:
        raise SystemExit(f"not {status}: {json.dumps(answer)[:600]}")


def is_json(line):
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def toml(figures, command):
    """Numbers under names, in tables: no more of TOML is needed."""
    lines = [
        "# What the functions consume, as measured on an emulator of AWS. Made by the command below; `cdp cost` reads it.",
        f'command = "{command}"',
        f'date = "{datetime.date.today()}"',
    ]
    for name, table in figures.items():
        for row in table if isinstance(table, list) else [table]:
            lines.append(f"\n[[{name}]]" if isinstance(table, list) else f"\n[{name}]")
            lines += [f"{field} = {short(value)}" for field, value in row.items()]
    return "\n".join(lines) + "\n"


def short(value):
    """Four digits that mean something, as a float."""
    return repr(float(f"{value:.4g}"))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--functions", type=pathlib.Path, default=ROOT / "target/lambda", help="the folder that cargo built them in")
    arguments.add_argument("--events", type=pathlib.Path, default=ROOT / ".cache/labelled", help="made by events/clickstream/generate.py")
    arguments.add_argument("--windows", type=lambda text: [int(one) for one in text.split(",")], default=list(WINDOWS))
    arguments.add_argument("--json", type=pathlib.Path, default=ROOT / ".cache/figures/aws.json")
    arguments.add_argument("--toml", type=pathlib.Path, help="such as crates/cdp-cost/src/consumption.toml")
    options = arguments.parse_args()

    folder = pathlib.Path(tempfile.mkdtemp(prefix="cdp-bench-"))
    bench = Bench(options, folder)
    try:
        figures = {"windows": []}
        columns = ["window_s", "events_per_batch", "events_of_a_device_per_batch", "write_units_per_event", "profile_bytes",
                   "read_units_per_event", "batch_write_units", "batch_dear_requests", "cpu_ms_per_event", "peak_mib"]
        print(" ".join(f"{column:>{len(column)}}" for column in columns))
        for window_s in options.windows:
            row = bench.window(window_s, *WINDOWS[window_s])
            figures["windows"].append(row)
            print(" ".join(f"{row[column]:>{len(column)}.4g}" for column in columns), flush=True)
        figures["commit"], figures["upkeep"], figures["batch"] = bench.upkeep()
        figures["compressed"] = bench.compressed()
        figures["collect"] = bench.collect()
        figures["profiles"] = bench.profiles()
    finally:
        bench.cloud.stop()
    for name in ["commit", "upkeep", "batch", "profiles"]:
        print(f"{name}: " + ", ".join(f"{field} {value:.4g}" for field, value in figures[name].items()))
    for row in figures["collect"]:
        print("collect: " + ", ".join(f"{field} {value:.4g}" for field, value in row.items()))
    shutil.rmtree(folder)

    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=1) + "\n")
    if options.toml is not None:
        options.toml.write_text(toml(figures, "make bench-aws"))


if __name__ == "__main__":
    main()
