"""The emulator with a meter: what each request would be billed as, by the published rules. `GET /_meter` tells the counts so far.

DynamoDB bills items, so an item is measured as it stands before and after its write: the larger of the two, in units of 1 KB,
twice in a transaction; a condition that fails costs what a write would have. Reads are units of 4 KB, half of it when they
are eventually consistent; what is not there costs as much as the smallest item. S3 has two prices of requests; deletes cost none.

For the pinned version of ministack (tests/live/aws/requirements.txt): it holds on to names inside.
"""

import collections
import json
import math

import ministack.app
from ministack.services import dynamodb, kinesis, s3, secretsmanager

counts = collections.Counter()
serve = ministack.app.app


def whole(amount, unit):
    return max(1, math.ceil(amount / unit))


# --- DynamoDB

def size(name, key):
    table = dynamodb._tables.get(dynamodb._normalize_table_name(name))
    partition, sort, _ = dynamodb._resolve_table_key_values(table, key, allow_extra=True)
    item = table["items"].get(partition, {}).get(sort)
    return dynamodb._item_size_bytes(item) if item else 0


def written(action, body):
    """Each item that the request writes or checks: its table, its key, and how often it is billed."""
    if action == "TransactWriteItems":
        return [(one["TableName"], one["Key"], 2) for item in body["TransactItems"] for one in item.values()]
    if action in ("UpdateItem", "DeleteItem"):
        return [(body["TableName"], body["Key"], 1)]
    return []


def kind(key):
    """What the item is: `profile.profile`, `profile.set`, `id`, `checkpoints`, `outbox`, `plan`."""
    partition, sort = key["partition"]["S"], key["sort"]["S"]
    first = partition.split("/")[0]
    return f"{first}.{sort}" if first == "profile" else first


def read_units(bytes_, consistent):
    return whole(bytes_, 4096) * (1 if consistent else 0.5)


async def metered_dynamodb(method, path, headers, body, query, handle=dynamodb.handle_request):
    action = headers.get("x-amz-target", "").split(".")[-1]
    request = json.loads(body or b"{}")
    items = written(action, request)
    before = [size(table, key) for table, key, _ in items]
    answer = await handle(method, path, headers, body, query)
    counts[f"dynamodb.requests.{action}"] += 1
    for (table, key, times), bytes_ in zip(items, before):
        bytes_ = max(bytes_, size(table, key))
        units = times * whole(bytes_, 1024)
        counts["dynamodb.write_units"] += units
        counts[f"dynamodb.write_units.{kind(key)}"] += units
        counts[f"dynamodb.writes.{kind(key)}"] += 1
        counts[f"dynamodb.written_bytes.{kind(key)}"] += bytes_
    if action == "BatchGetItem":
        for table, asked in request["RequestItems"].items():
            for key in asked["Keys"]:
                units = read_units(size(table, key), asked.get("ConsistentRead"))
                counts["dynamodb.read_units"] += units
                counts[f"dynamodb.read_units.{kind(key)}"] += units
    if action == "Query" and answer[0] == 200:
        found = json.loads(answer[2]).get("Items", [])
        units = read_units(sum(map(dynamodb._item_size_bytes, found)), request.get("ConsistentRead"))
        counts["dynamodb.read_units"] += units
        counts["dynamodb.read_units.query"] += units
    return answer


def stored():
    """As AWS counts what a table holds: each item and 100 bytes for its place in the index."""
    held = collections.Counter()
    for _, table in dynamodb._tables.all_items():
        for sorts in table["items"].values():
            for item in sorts.values():
                name = kind(item)
                held[f"dynamodb.items.{name}"] += 1
                held[f"dynamodb.stored_bytes.{name}"] += dynamodb._item_size_bytes(item) + 100
    return held


# --- S3

async def metered_s3(method, path, headers, body, query, handle=s3.handle_request):
    lists = method == "GET" and ("list-type" in query or path.strip("/").count("/") == 0)
    answer = await handle(method, path, headers, body, query)
    name = "LIST" if lists else method
    counts[f"s3.requests.{name}"] += 1
    if name in ("PUT", "POST", "LIST"):
        counts["s3.dear_requests"] += 1
    elif name in ("GET", "HEAD"):
        counts["s3.cheap_requests"] += 1
    if method == "PUT" and answer[0] == 200:
        counts["s3.put_bytes"] += len(body)
    return answer


# --- Kinesis

async def metered_kinesis(method, path, headers, body, query, handle=kinesis.handle_request):
    answer = await handle(method, path, headers, body, query)
    action = headers.get("x-amz-target", "").split(".")[-1]
    counts[f"kinesis.requests.{action}"] += 1
    if action == "PutRecords":
        for record in json.loads(body)["Records"]:
            bytes_ = len(record["Data"]) * 3 // 4
            counts["kinesis.records"] += 1
            counts["kinesis.put_units"] += whole(bytes_, 25 * 1024)
            counts["kinesis.rounded_bytes"] += whole(bytes_, 1024) * 1024
    return answer


async def metered_secrets(method, path, headers, body, query, handle=secretsmanager.handle_request):
    counts["secretsmanager.requests"] += 1
    return await handle(method, path, headers, body, query)


async def app(scope, receive, send):
    if scope["type"] == "http" and scope["path"] == "/_meter":
        told = json.dumps({**counts, **stored()}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(told)).encode())]})
        await send({"type": "http.response.body", "body": told})
        return
    await serve(scope, receive, send)


dynamodb.handle_request = metered_dynamodb
s3.handle_request = metered_s3
kinesis.handle_request = metered_kinesis
secretsmanager.handle_request = metered_secrets
ministack.app.app = app

if __name__ == "__main__":
    ministack.app.main()
