"""Files that appear in a drop folder: each format by a plain copy, the same content twice, a kill in the middle of a file."""

import atexit
import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from platform_under_test import CDP, cdp, query, until

work = Path(tempfile.mkdtemp())
shop = work / "shop"
subprocess.run([CDP, "init", shop, "--format", "json"], capture_output=True, check=True)
folder = shop / "drops" / "partner"


def start():
    (shop / "run.json").unlink(missing_ok=True)
    process = subprocess.Popen([CDP, "up", "--dir", shop, "--listen", "127.0.0.1:0"], stderr=open(work / "up.log", "a"))
    until(lambda: (shop / "run.json").exists() or process.poll() is not None, 60, "cdp up starts")
    assert process.poll() is None, (work / "up.log").read_text()
    return process


def report(name):
    path = folder / ".reports" / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {"status": "none", "rows": 0}


def taken(name, seconds=60):
    until(lambda: report(name)["status"] not in ("none", "running"), seconds, f"{name} is taken in")
    done = report(name)
    return {key: done[key] for key in ("status", "rows", "taken", "duplicates", "refused")}


def told(status, rows, taken, duplicates=0, refused=0):
    return {"status": status, "rows": rows, "taken": taken, "duplicates": duplicates, "refused": refused}


def counts(statement, *columns):
    return [tuple(row[column] for column in columns) for row in query(statement, directory=str(shop))]


up = start()
atexit.register(lambda: up.kill())
people = "user_id;email;plan\nu1;a@example.com;pro\nu2;José@example.com;free\n;;free\n"
(folder / "people.csv").write_bytes(people.encode("windows-1252"))
events = [{"type": "track", "event": "Seen", "userId": f"u{n}", "messageId": f"m{n}"} for n in range(1, 4)]
with gzip.open(folder / "seen.jsonl.gz", "wt") as file:
    file.writelines(json.dumps(event) + "\n" for event in events)
orders = pa.table({"userId": ["u1", "u2"], "event": ["Bought", "Bought"], "revenue": [12.5, 7.0]})
pq.write_table(orders, work / "orders.parquet")
shutil.copy(work / "orders.parquet", folder)
(folder / "book.xlsx").write_bytes(b"PK\x03\x04 and so on")

assert taken("people.csv") == told("done", 3, 2, refused=1), report("people.csv")
assert report("people.csv")["encoding"] == "windows-1252"
assert taken("seen.jsonl.gz") == told("done", 3, 3), report("seen.jsonl.gz")
assert taken("orders.parquet") == told("done", 2, 2), report("orders.parquet")
assert taken("book.xlsx") == told("refused", 1, 0, refused=1), report("book.xlsx")
by_event = "select coalesce(event, type) as what, count(*) as n from events group by 1 order by 1"
until(lambda: counts(by_event, "what", "n") == [("Bought", 2), ("Seen", 3), ("identify", 2)], 10, "the rows are in SQL")
profile = json.loads(cdp("profile", "email:josé@example.com", "--format", "json", directory=str(shop)))
assert profile["events"]["total"] == 3, profile

shutil.copy(folder / "people.csv", folder / "people-again.csv")
assert taken("people-again.csv")["status"] == "already_taken"
assert counts(by_event, "what", "n") == [("Bought", 2), ("Seen", 3), ("identify", 2)]

rows, customers, dice = 400_000, 20_000, random.Random(7)
with open(work / "large.csv", "w") as file:
    file.write("user_id,event,timestamp,note\n")
    file.writelines(f"c{dice.randrange(customers)},Visited,2025-03-01T00:00:00Z,visit {n}\n" for n in range(rows))
shutil.copy(work / "large.csv", folder / "large.csv")
for kill_at in (1, rows // 3, rows * 2 // 3):
    until(lambda: report("large.csv")["rows"] >= kill_at or report("large.csv")["status"] == "done", 120, "rows are taken in")
    up.send_signal(signal.SIGKILL)
    up.wait()
    print("killed at", report("large.csv")["rows"])
    up = start()
assert taken("large.csv", 300) == told("done", rows, rows), report("large.csv")
visits = "select count(*) as n, count(distinct properties) as notes from events where event = 'Visited'"
until(lambda: counts(visits, "n", "notes") == [(rows, rows)], 20, "each row is there once")
cdp("verify", directory=str(shop))
up.terminate()
assert up.wait() == 0
cdp("verify", directory=str(shop))
shutil.rmtree(work)
