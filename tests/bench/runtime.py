"""What Lambda is to a function: its Runtime API, and the process. Standard library only."""

import json
import os
import pathlib
import queue
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# What `cdp init` writes.
SETTINGS = pathlib.Path(__file__).resolve().parents[2] / "crates/cdp-deployment/src/template.toml"
WRITE_KEY, TOKEN = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
SECRETS = f"""\
[write_keys]
web = "{WRITE_KEY}"

[api_tokens.admin]
token = "{TOKEN}"
scopes = ["profiles:read", "admin"]
requests_per_second = 1000000
"""
TICKS = os.sysconf("SC_CLK_TCK")


class Broken(Exception):
    """The function answered with an error, or ended."""


class Function:
    """A function's process, which is called one event at a time."""

    def __init__(self, command, environment, log):
        self.events, self.answers = queue.Queue(), queue.Queue()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        port = self.server.server_address[1]
        environment = {**environment, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}"}
        self.log = open(log, "ab")
        self.process = subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

    def call(self, event, timeout_s=120):
        self.events.put(json.dumps(event).encode())
        began = time.monotonic()
        while True:
            try:
                outcome, body = self.answers.get(timeout=0.2)
                break
            except queue.Empty:
                if self.process.poll() is not None:
                    raise Broken(f"it ended with {self.process.returncode}: see {self.log.name}") from None
                if time.monotonic() - began > timeout_s:
                    raise Broken(f"no answer within {timeout_s} s: see {self.log.name}") from None
        if outcome != "response":
            raise Broken(body.decode())
        return json.loads(body or b"null")

    def cpu_ms(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / TICKS

    def peak_kib(self):
        return peak_kib(self.process.pid)

    def log_bytes(self):
        return os.path.getsize(self.log.name)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.server.shutdown()
        self.server.server_close()
        self.log.close()


def handler(function):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            event = function.events.get()
            self.send_response(200)
            for name, value in {
                "Lambda-Runtime-Aws-Request-Id": f"request-{time.monotonic_ns()}",
                "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 120_000),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:measured",
                "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000;Sampled=0",
                "Content-Type": "application/json",
                "Content-Length": str(len(event)),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(event)

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) if "Content-Length" in self.headers else chunked(self.rfile)
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()
            function.answers.put((self.path.rsplit("/", 1)[1], body))

        def log_message(self, *_):
            pass

    return Handler


def chunked(stream):
    body = b""
    while size := int(stream.readline(), 16):
        body += stream.read(size)
        stream.readline()
    stream.readline()
    return body


def peak_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def surroundings(name, folder, endpoint, **of_the_stack):
    """What Lambda and the stack set for a function, and what leads its clients to `endpoint`."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "RUST_LOG": "info",
        "LAMBDA_TASK_ROOT": str(folder),
        "AWS_LAMBDA_FUNCTION_NAME": f"cdp-{name}",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/cdp-{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "measured",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": "test",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_ALLOW_HTTP": "true",
        **of_the_stack,
    }


def free_port():
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return any_port.getsockname()[1]
