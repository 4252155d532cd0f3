"""What the live tests share: a `cdp` binary, a deployment, and the HTTP API of a running `cdp up`. Standard library only."""

import base64
import json
import os
import subprocess
import time
import urllib.error
import urllib.request

CDP = os.environ["CDP"]


def cdp(*args, directory=None):
    """Runs a command on the deployment and returns what it printed."""
    directory = directory or os.environ["CDP_DIR"]
    done = subprocess.run([CDP, *args, "--dir", directory], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"cdp {' '.join(args)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def query(statement, directory=None):
    return json.loads(cdp("query", statement, "--format", "json", directory=directory))


def post(url, write_key, path, body, timeout=30):
    """Sends a call of the tracking API and returns its answer; raises for any status but 200."""
    credentials = base64.b64encode(f"{write_key}:".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
    request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.load(answer)


def get(url, token, path):
    """Status and body of a lookup."""
    request = urllib.request.Request(url + path, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def until(condition, seconds, what):
    """Waits for `condition` and returns how long it took."""
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        assert waited < seconds, f"{what}: not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - began
