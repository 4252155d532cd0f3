"""How long a function's process takes from its exec to its first poll of the Runtime API: settings read, clients built, and
what it asks for before its first event. Beside it, in the same run, a function of Python and one of Node that build one client.

    python tests/bench/start.py [--functions target/lambda] [--times 50] [--json .cache/figures/start.json]

Lambda adds what it does before: finding a machine, loading the zip, starting the microVM. What a function asks for is answered
at once by a server in here, so the network's time is left out, and the requests are counted.

Runs with a Python that has tests/live/aws/requirements.txt (`infra/emulator install`), and needs infra/install.
"""

import argparse
import json
import os
import pathlib
import shutil
import socket
import ssl
import statistics
import sys
import tempfile
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from runtime import SECRETS, SETTINGS, peak_kib, surroundings

ROOT = pathlib.Path(__file__).resolve().parents[2]
FUNCTIONS = ["collect", "ingest", "drops", "commit", "maintain", "replay", "profiles"]
NEXT = b"/runtime/invocation/next"


class Cloud(BaseHTTPRequestHandler):
    """A secret, and a bucket: enough of both for a start."""

    protocol_version = "HTTP/1.1"
    objects = {}
    requests = 0

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self):
        Cloud.requests += 1
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        text = {"ARN": "arn:aws:secretsmanager:us-east-1:000000000000:secret:cdp", "Name": "cdp", "SecretString": SECRETS}
        self.answer(200, json.dumps(text).encode(), Content_Type="application/x-amz-json-1.1")

    def do_PUT(self):
        Cloud.requests += 1
        path = urllib.parse.urlsplit(self.path).path
        if self.headers.get("If-None-Match") == "*" and path in self.objects:
            return self.answer(412)
        self.objects[path] = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.answer(200, ETag='"0"')

    def do_GET(self):
        Cloud.requests += 1
        url = urllib.parse.urlsplit(self.path)
        if "list-type" in url.query:
            return self.answer(200, self.listing(url), Content_Type="application/xml")
        found = self.objects.get(url.path)
        if found is None:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>", Content_Type="application/xml")
        self.answer(200, found, ETag='"0"', Last_Modified="Thu, 26 Nov 2026 00:00:00 GMT")

    do_HEAD = do_GET

    def listing(self, url):
        bucket = url.path.strip("/")
        asked = urllib.parse.parse_qs(url.query)
        prefix, after = asked.get("prefix", [""])[0], asked.get("start-after", [""])[0]
        names = sorted(path[len(bucket) + 2 :] for path in self.objects)
        names = [name for name in names if name.startswith(prefix) and name > after]
        contents = "".join(
            f"<Contents><Key>{name}</Key><Size>{len(self.objects[f'/{bucket}/{name}'])}</Size><ETag>0</ETag>"
            "<LastModified>2026-11-26T00:00:00.000Z</LastModified></Contents>"
            for name in names
        )
        return (
            f"<ListBucketResult><Name>{bucket}</Name><Prefix>{prefix}</Prefix><KeyCount>{len(names)}</KeyCount>"
            f"<IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
        ).encode()

    def log_message(self, *_):
        pass


def started(command, environment):
    """Milliseconds, CPU milliseconds and peak KiB at the first poll."""
    with socket.create_server(("127.0.0.1", 0)) as runtime, tempfile.TemporaryFile() as said:
        runtime.settimeout(20)
        environment = {**environment, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{runtime.getsockname()[1]}"}
        files = [(os.POSIX_SPAWN_DUP2, said.fileno(), at) for at in (1, 2)]
        began = time.perf_counter_ns()
        pid = os.posix_spawn(command[0], command, environment, file_actions=files)
        try:
            asked, _ = runtime.accept()
            while NEXT not in asked.recv(4096):
                pass
            took = time.perf_counter_ns() - began
            tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
            cpu = sum(int(task.read_text().split()[0]) for task in tasks)
            return took / 1e6, cpu / 1e6, peak_kib(pid)
        except TimeoutError:
            said.seek(0)
            raise SystemExit(f"{command} did not ask for an event: {said.read().decode()}") from None
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--functions", type=pathlib.Path, default=ROOT / "target/lambda", help="the folder that cargo built them in")
    arguments.add_argument("--times", type=int, default=50)
    arguments.add_argument("--json", type=pathlib.Path, default=ROOT / ".cache/figures/start.json")
    options = arguments.parse_args()

    folder = pathlib.Path(tempfile.mkdtemp(prefix="cdp-start-"))
    shutil.copy(SETTINGS, folder / "cdp.toml")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    stack = {"CDP_STATE_TABLE": "state", "CDP_LAKE": "s3://lake", "CDP_STREAM": "events", "CDP_SECRETS": "cdp"}
    stack |= {"CDP_WORKGROUP": "cdp-dev", "CDP_DATABASE": "cdp_dev", "CDP_DROP_TRIES": "5"}
    # The stack names the one of Amazon Linux.
    stack["SSL_CERT_FILE"] = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    stack |= dict.fromkeys(["CDP_QUEUE", "CDP_DROP_QUEUE", "CDP_DEAD_LETTERS"], "https://sqs.us-east-1.amazonaws.com/0/queue")
    commands = {name: [str(options.functions / f"fn-{name}")] for name in FUNCTIONS}
    handlers = pathlib.Path(__file__).parent / "handlers"
    commands["Python, boto3"] = [sys.executable, str(handlers / "handler.py")]
    commands["Node, SDK 3"] = [shutil.which("node"), str(handlers / "handler.mjs")]

    figures = {name: [] for name in commands}
    asked = dict.fromkeys(commands, 0)
    # In turn, so that a busy moment of the machine is no one's alone. The first start of each fills the page cache.
    for turn in range(options.times + 1):
        for name, command in commands.items():
            before = Cloud.requests
            figure = started(command, surroundings(name, folder, endpoint, **stack))
            if turn > 0:
                figures[name].append(figure)
                asked[name] = Cloud.requests - before
    shutil.rmtree(folder)

    told = {}
    print(f"{'function':<14}{'best ms':>9}{'p50 ms':>9}{'p90 ms':>9}{'CPU ms':>9}{'peak MiB':>10}{'requests':>10}")
    for name, starts in figures.items():
        took = sorted(start[0] for start in starts)
        told[name] = row = {
            "best_ms": round(took[0], 2),
            "p50_ms": round(statistics.median(took), 2),
            "p90_ms": round(took[int(len(took) * 0.9)], 2),
            "cpu_ms": round(statistics.median(start[1] for start in starts), 2),
            "peak_mib": round(max(start[2] for start in starts) / 1024, 1),
            "requests": asked[name],
        }
        print(f"{name:<14}" + "".join(f"{value:>{9 if at < 4 else 10}}" for at, value in enumerate(row.values())))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"times": options.times, "starts": told}, indent=1) + "\n")


if __name__ == "__main__":
    main()
