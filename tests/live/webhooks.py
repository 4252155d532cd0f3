"""Signed calls of third parties become one person, each once: the examples of events/webhooks, signed now. A call that is not
signed leaves nothing; what can't be mapped is in quarantine. With CDP_STACK, against that stack instead of a `cdp up`."""

import base64
import hashlib
import hmac
import json
import os
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timezone
from pathlib import Path

import standardwebhooks
import stripe

EXAMPLES = Path(__file__).parents[2] / "events/webhooks"
SECRETS = tomllib.loads(Path(os.environ["CDP_DIR"], "secrets.toml").read_text())
TOKEN = SECRETS["api_tokens"]["admin"]["token"]
EMAIL = "hook@example.com"
STACK = os.environ.get("CDP_STACK")
WITHIN_S = 120 if STACK else 20

if STACK:
    import boto3

    # The emulator tells APIs apart by the header Host.
    outputs = boto3.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]["Outputs"]
    api = next(output["OutputValue"] for output in outputs if output["OutputKey"] == "ApiUrl")
    URL, HOST = os.environ["AWS_ENDPOINT_URL"], {"Host": urllib.parse.urlsplit(api).netloc}
else:
    URL, HOST = os.environ["CDP_URL"].rstrip("/"), {}


def call(method, path, headers, body=None):
    """Status and answer."""
    request = urllib.request.Request(URL + path, body, headers | HOST, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.loads(refusal.read() or b"{}")


def digest(secret, *pieces):
    return hmac.new(secret, b"".join(pieces), hashlib.sha256)


def by_stripe(secret, body, now):
    header = f"t={now},v1={digest(secret.encode(), str(now).encode(), b'.', body).hexdigest()}"
    # Stripe's own library believes what is sent as Stripe.
    assert stripe.WebhookSignature.verify_header(body.decode(), header, secret, tolerance=None)
    return {"Stripe-Signature": header}


def by_shopify(secret, body, now):
    return {"X-Shopify-Hmac-Sha256": base64.b64encode(digest(secret.encode(), body).digest()).decode()}


def by_github(secret, body, now):
    return {"X-Hub-Signature-256": f"sha256={digest(secret.encode(), body).hexdigest()}"}


def by_standard(secret, body, now):
    moment = datetime.fromtimestamp(now, timezone.utc)
    signature = standardwebhooks.Webhook(secret).sign("msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", moment, body.decode())
    return {"webhook-timestamp": str(now), "webhook-signature": signature}


def by_own(secret, body, now):
    signature = digest(secret.encode(), str(now).encode(), b".", body).hexdigest()
    return {"X-Till-Time": str(now), "X-Till-Signature": f"sha256={signature}"}


SENDERS = {
    "billing": ("stripe", by_stripe),
    "shop": ("shopify", by_shopify),
    "repository": ("github", by_github),
    "accounts": ("standard", by_standard),
    "till": ("own", by_own),
}


def calls_of(folder):
    """Each example's body and headers."""
    for said in sorted((EXAMPLES / folder).glob("*.call.json")):
        stem = said.name.removesuffix(".call.json")
        body = next(path for end in (".json", ".txt") if (path := said.with_name(stem + end)).exists())
        yield body.read_bytes().replace(b"jane@example.com", EMAIL.encode()), json.loads(said.read_text())["headers"]


def check_sender(name, folder, sign):
    secrets = SECRETS["webhooks"][name]
    secrets = secrets if isinstance(secrets, list) else [secrets]
    path, now = f"/v1/webhooks/{name}", int(time.time())
    for body, headers in calls_of(folder):
        # As often as there are secrets, and at least twice: a sender repeats what it is not sure of.
        for secret in [*secrets, secrets[0]]:
            told = call("POST", path, headers | sign(secret, body, now), body)
            assert told == (200, {"success": True}), (name, told)
        for refused, code in [
            (sign(secrets[0], body + b" ", now), "wrong_signature"),
            ({key: "" for key in sign(secrets[0], body, now)}, "no_signature"),
        ]:
            status, answer = call("POST", path, headers | refused, body)
            assert (status, answer["code"]) == (401, code), (name, status, answer)
        if sign in (by_stripe, by_standard, by_own):
            status, answer = call("POST", path, headers | sign(secrets[0], body, now - 3600), body)
            assert (status, answer["code"]) == (401, "stale_signature"), (name, status, answer)


def person(name):
    status, profile = call("GET", f"/v1/profiles/{urllib.parse.quote(name, safe='')}", {"Authorization": f"Bearer {TOKEN}"})
    return profile if status == 200 else {"id": None, "events": {"total": 0}}


def until(what, holds):
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < WITHIN_S, f"{what}: not within {WITHIN_S} s"
        time.sleep(0.2)
    print(f"{what}: after {time.monotonic() - began:.1f} s")


for name, (folder, sign) in SENDERS.items():
    check_sender(name, folder, sign)
status, answer = call("POST", "/v1/webhooks/nobody", {}, b"{}")
assert (status, answer["code"]) == (404, "unknown_webhook"), (status, answer)

names = [f"email:{EMAIL}", "stripe_customer:cus_Jane01", "shopify_customer:115310627314723954", "user_id:user_7"]
until("five calls of three senders are one person", lambda: person(names[0])["events"]["total"] == 5)
assert len({person(name)["id"] for name in names}) == 1, [person(name)["id"] for name in names]
until("GitHub's sender has two events", lambda: person("github:1")["events"]["total"] == 2)
until("a sale is on its card", lambda: person("loyalty:4711")["events"]["total"] == 1)
time.sleep(2)
totals = [person(name)["events"]["total"] for name in (names[0], "github:1", "loyalty:4711")]
assert totals == [5, 2, 1], f"a repeat was counted: {totals}"

if not STACK:
    from platform_under_test import query

    statement = "select distinct source, reason, field from quarantine where source in ('billing', 'till') order by 1, 2"
    expected = [("billing", "no_identifier"), ("till", "no_identifier"), ("till", "not_json")]
    until("what can't be mapped is in quarantine", lambda: [(r["source"], r["reason"]) for r in query(statement)] == expected)
