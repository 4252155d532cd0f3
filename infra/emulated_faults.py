"""Faults of AWS on demand, for the calls that functions make, and time that passes: in the emulator's own process.

    PUT  /_faults       rules, in place of those before; none: all is well
    GET  /_faults       the rules, each with how many calls it `met` and how often it `struck`
    POST /_faults/age   {"hours": 25}: objects, and shards that were closed, are so much older than they were

A rule is {"call": …, "fault": …}, and as it wants to be chosen: `by`, a part of the function's name; `where`, a regular expression
that is found in the call's path or body. Of the calls that it meets it lets `after` pass, then strikes the first `run` of
`every`, at most `times` in all. Calls are called as in IAM; those of S3 by their method, `s3:PUT`.
"""

import contextvars
import dataclasses
import json
import re
from datetime import datetime, timedelta

from ministack import app
from ministack.core import lambda_runtime
from ministack.core.router import extract_access_key_id
from ministack.services import kinesis, s3

ROOT = "/_faults"


@dataclasses.dataclass
class Rule:
    call: str
    fault: str
    by: str = ""
    where: str = ""
    after: int = 0
    every: int = 1
    run: int = 1
    times: int | None = None
    met: int = 0
    struck: int = 0

    def strikes(self, call):
        is_met = self.call == call.name and self.by in call.function and re.search(self.where, call.text)
        if not is_met:
            return False
        at = self.met - self.after
        self.met += 1
        is_due = at >= 0 and at % self.every < self.run and (self.times is None or self.struck < self.times)
        self.struck += is_due
        return is_due


@dataclasses.dataclass
class Call:
    name: str
    function: str
    text: str
    body: bytes


def throttled(call):
    return refusal("ProvisionedThroughputExceededException", "Rate exceeded")


def conflict(call):
    """Of a transaction: each of its items was in another one's hands."""
    items = json.loads(call.body).get("TransactItems")
    if items is None:
        return refusal("TransactionConflictException", "Transaction is ongoing for the item")
    reasons = [{"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"} for _ in items]
    return refusal("TransactionCanceledException", "Transaction cancelled", CancellationReasons=reasons)


def broken(call):
    if call.name.startswith("s3:"):
        return s3_refusal(500, "InternalError")
    return refusal("InternalServerError", "Internal server error", status=500)


def refusal(code, message, status=400, **more):
    return status, "application/x-amz-json-1.0", json.dumps({"__type": code, "message": message, **more}).encode()


def s3_refusal(status, code):
    return status, "application/xml", f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()


# Nothing is carried out, and this is the answer.
REFUSALS = {
    "throttled": throttled,
    "conflict": conflict,
    "broken": broken,
    "slow down": lambda call: s3_refusal(503, "SlowDown"),
    "precondition failed": lambda call: s3_refusal(412, "PreconditionFailed"),
    "conditional conflict": lambda call: s3_refusal(409, "ConditionalRequestConflict"),
}
# What else may befall a call: it is carried out and its answer is lost; its function is killed before it is carried out, or
# after; the service takes the first half of what it brings.
OTHERS = ("lost", "killed before", "killed after", "in part")

rules = []
takes_half = contextvars.ContextVar("takes_half", default=False)


def between(emulator):
    """The emulator, with faults between it and the functions."""

    async def faulty(scope, receive, send):
        if scope["type"] != "http":
            return await emulator(scope, receive, send)
        if scope["path"].startswith(ROOT):
            return await answer(send, *control(scope, await read(receive)))
        if not rules:
            return await emulator(scope, receive, send)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        worker = worker_of(extract_access_key_id(headers))
        if worker is None:
            return await emulator(scope, receive, send)

        body = await read(receive)
        call = Call(name_of(scope, headers), worker.func_name, scope["path"] + body.decode("latin-1"), body)
        struck = next((rule.fault for rule in rules if rule.strikes(call)), None)
        if struck in REFUSALS:
            return await answer(send, *REFUSALS[struck](call))
        if struck == "killed before":
            return worker._proc.kill()
        is_answered = struck not in ("lost", "killed after")
        takes_half.set(struck == "in part")
        try:
            await emulator(scope, replay(body, receive), send if is_answered else drop)
        finally:
            takes_half.set(False)
        if struck == "lost":
            await answer(send, *broken(call))
        if struck == "killed after":
            worker._proc.kill()

    return faulty


def control(scope, body):
    if scope["path"] == f"{ROOT}/age":
        pass_time(timedelta(**json.loads(body)))
    elif scope["method"] == "PUT":
        wanted = [Rule(**rule) for rule in json.loads(body)]
        unknown = {rule.fault for rule in wanted} - REFUSALS.keys() - set(OTHERS)
        if unknown:
            return 400, "text/plain", f"no such fault: {', '.join(unknown)}".encode()
        rules[:] = wanted
    return 200, "application/json", json.dumps([dataclasses.asdict(rule) for rule in rules]).encode()


def pass_time(passed):
    for bucket in s3._buckets._data.values():
        for stored in bucket["objects"].values():
            written = datetime.fromisoformat(stored["last_modified"]) - passed
            stored["last_modified"] = written.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    for stream in kinesis._streams._data.values():
        for shard in stream["shards"].values():
            if "closed_at" in shard:
                shard["closed_at"] -= passed.total_seconds()


def worker_of(access_key):
    """The function that a call comes from: each has credentials of its own."""
    for workers in list(lambda_runtime._workers.values()):
        for worker in workers:
            if lambda_runtime.execution_credentials(worker.config)["AWS_ACCESS_KEY_ID"] == access_key:
                return worker
    return None


def name_of(scope, headers):
    """`DynamoDB_20120810.UpdateItem`: dynamodb:UpdateItem."""
    service, _, operation = headers.get("x-amz-target", "").partition(".")
    return f"{service.split('_')[0].lower()}:{operation}" if operation else f"s3:{scope['method']}"


def in_part(put_records):
    """PutRecords, which takes the first half of them when it is told to."""

    def put(data):
        if not takes_half.get():
            return put_records(data)
        records = data["Records"]
        taken = records[: len(records) // 2]
        refused = [
            {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded for shard"}
            for _ in records[len(taken) :]
        ]
        status, headers, body = put_records({**data, "Records": taken})
        told = json.loads(body)
        told["Records"] += refused
        told["FailedRecordCount"] = len(refused)
        return status, headers, json.dumps(told).encode()

    return put


async def read(receive):
    body, goes_on = b"", True
    while goes_on:
        message = await receive()
        body += message.get("body", b"")
        goes_on = message.get("more_body", False)
    return body


def replay(body, receive):
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def again():
        return messages.pop() if messages else await receive()

    return again


async def drop(message):
    pass


async def answer(send, status, kind, body):
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


kinesis._put_records = in_part(kinesis._put_records)
app.app = between(app.app)
