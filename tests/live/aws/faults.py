"""AWS fails, functions are killed, shards are split and merged, and a stream of people comes out as on one machine all the same:
each event once, the same people, the same refusals, nothing given up. The faults are infra/emulated_faults.py's."""

import json

import boto3
import stack
from stack import WRITE_KEY, ask, call, check_equal, until

DYNAMODB = [
    # For longer than the SDK has patience for.
    {"call": "dynamodb:BatchGetItem", "by": "Ingest", "fault": "throttled", "after": 5, "run": 3, "every": 1000, "times": 3},
    {"call": "dynamodb:BatchGetItem", "fault": "throttled", "every": 60, "times": 4},
    {"call": "dynamodb:Query", "fault": "throttled", "every": 5, "times": 5},
    {"call": "dynamodb:Query", "by": "Commit", "fault": "broken", "every": 7, "times": 3},
    {"call": "dynamodb:UpdateItem", "fault": "throttled", "every": 9},
    {"call": "dynamodb:UpdateItem", "fault": "conflict", "after": 2, "every": 31},
    # It happened, and nobody was told: of a batch's beginning, of a profile.
    {"call": "dynamodb:UpdateItem", "where": "checkpoints", "fault": "lost", "after": 1, "every": 3, "times": 2},
    {"call": "dynamodb:UpdateItem", "where": "profile", "fault": "lost", "after": 20, "every": 90, "times": 2},
    {"call": "dynamodb:TransactWriteItems", "fault": "conflict", "every": 4},
    {"call": "dynamodb:TransactWriteItems", "fault": "throttled", "after": 1, "every": 9, "times": 4},
    # Of claims, of a batch's end, of a plan.
    {"call": "dynamodb:TransactWriteItems", "where": '"id/', "fault": "lost", "after": 3, "every": 20, "times": 2},
    {"call": "dynamodb:TransactWriteItems", "where": "checkpoints.*outbox/", "fault": "lost", "after": 1, "every": 3, "times": 2},
    {"call": "dynamodb:TransactWriteItems", "where": "plan/", "fault": "lost", "after": 1, "every": 6, "times": 2},
]
LAKE = [
    {"call": "s3:PUT", "where": "/date=", "fault": "slow down", "every": 4, "times": 8},
    {"call": "s3:PUT", "where": "/date=", "fault": "broken", "after": 1, "every": 7, "times": 5},
    {"call": "s3:PUT", "where": "/date=", "fault": "lost", "after": 2, "every": 9, "times": 2},
    {"call": "s3:GET", "fault": "slow down", "every": 9, "times": 6},
    {"call": "s3:HEAD", "fault": "broken", "every": 11, "times": 6},
    {"call": "s3:PUT", "where": "_delta_log/.*json", "fault": "precondition failed", "every": 6, "times": 4},
    {"call": "s3:PUT", "where": "_delta_log/.*json", "fault": "conditional conflict", "after": 1, "every": 6, "times": 4},
    {"call": "s3:PUT", "where": "_delta_log/.*json", "fault": "lost", "after": 2, "every": 6, "times": 4},
]
# At each step of a batch, and of a commit.
KILLS = [
    {"call": "dynamodb:UpdateItem", "by": "Ingest", "where": "checkpoints", "fault": "killed after", "after": 2, "times": 1},
    {"call": "dynamodb:TransactWriteItems", "by": "Ingest", "where": '"id/', "fault": "killed after", "after": 2, "times": 1},
    {"call": "dynamodb:UpdateItem", "by": "Ingest", "where": "profile", "fault": "killed before", "after": 30, "times": 1},
    {"call": "s3:PUT", "by": "Ingest", "where": "/date=", "fault": "killed after", "after": 4, "times": 1},
    {"call": "dynamodb:TransactWriteItems", "by": "Ingest", "where": "outbox/", "fault": "killed before", "times": 1},
    {"call": "dynamodb:TransactWriteItems", "by": "Ingest", "where": "outbox/", "fault": "killed after", "after": 2, "times": 1},
    {"call": "s3:PUT", "by": "Commit", "where": "_delta_log/.*json", "fault": "killed after", "times": 1},
    {"call": "dynamodb:TransactWriteItems", "by": "Commit", "where": "plan/", "fault": "killed before", "after": 2, "times": 1},
    {"call": "dynamodb:TransactWriteItems", "by": "Commit", "where": "plan/", "fault": "killed after", "after": 5, "times": 1},
]
COLLECT = [
    {"call": "kinesis:PutRecords", "fault": "in part", "every": 2},
    {"call": "kinesis:PutRecords", "fault": "throttled", "after": 1, "every": 3},
    {"call": "kinesis:PutRecords", "fault": "lost", "after": 4, "times": 1},
    {"call": "kinesis:PutRecords", "fault": "killed after", "after": 6, "times": 1},
]


def strike(rules):
    check_equal("the faults are taken", ask("PUT", f"{stack.ENDPOINT}/_faults", rules)[0], 200)


def struck():
    return ask("GET", f"{stack.ENDPOINT}/_faults")[1]


def of_this_test(line):
    """People of other tests have the same names."""
    return line.replace('"u_', '"f_').replace("@", ".f@").replace('"+1', '"+2')


def send_by_http(events):
    """As an SDK does: a batch that was not taken goes again."""
    for at in range(0, len(events), 50):
        batch = {"batch": events[at : at + 50]}
        until("a batch is taken", lambda: call("POST", "/v1/batch", WRITE_KEY, batch)[0] == 200)


kinesis, awslambda = boto3.client("kinesis"), boto3.client("lambda")


def open_shards():
    shards = kinesis.list_shards(StreamName=stack.OUTPUTS["StreamName"])["Shards"]
    return [shard for shard in shards if "EndingSequenceNumber" not in shard["SequenceNumberRange"]]


def split(shard):
    ends = [int(shard["HashKeyRange"][end]) for end in ("StartingHashKey", "EndingHashKey")]
    middle = str(sum(ends) // 2)
    kinesis.split_shard(StreamName=stack.OUTPUTS["StreamName"], ShardToSplit=shard["ShardId"], NewStartingHashKey=middle)


def merge(one, other):
    shards = {"ShardToMerge": one["ShardId"], "AdjacentShardToMerge": other["ShardId"]}
    kinesis.merge_shards(StreamName=stack.OUTPUTS["StreamName"], **shards)


def take_at_a_time(records):
    """A batch that fails is repeated whole, and slowly: many small ones meet more faults in less time."""
    mapping = awslambda.list_event_source_mappings(FunctionName=stack.function("Ingest")["FunctionName"])["EventSourceMappings"][0]
    awslambda.update_event_source_mapping(UUID=mapping["UUID"], BatchSize=records)
    return mapping["BatchSize"]


# Each person's events keep their order, so that people come out the same: one shard for a person, and no person is shared.
lines, people, flags = stack.clickstream("--events", 2400, "--people", 150, "--seed", 11, "--share", 0, "--malformed", 0.01)
lines = [of_this_test(line) for line in lines]
poison = ["not JSON", "[]", '{"userId":"f_x"}', '{"type":"track","userId":"f_x","event":{}}']
flags = [*(["bad"] * len(poison)), *flags]
lines, people = [*poison, *lines], [*map(str, range(len(poison))), *people]
here = stack.tables_here(lines)

usual = take_at_a_time(200)
strike([*KILLS, *DYNAMODB, *LAKE, *COLLECT])
# A call that is repeated brings what is refused twice, and what has no message id.
by_http = 400
is_sound = lambda at: "bad" not in flags[at]
unsound = [at for at in range(by_http) if not is_sound(at)]
first = stack.put([lines[at] for at in unsound], [people[at] for at in unsound])
send_by_http([json.loads(lines[at]) for at in range(by_http) if is_sound(at)])

rest = list(zip(lines[by_http:], people[by_http:]))
quarter = len(rest) // 4
for part in range(4):
    some = rest[part * quarter : (part + 1) * quarter] if part < 3 else rest[3 * quarter :]
    for at in range(0, len(some), 100):
        stack.put([line for line, _ in some[at : at + 100]], [person for _, person in some[at : at + 100]])
        if at == 300:
            # Under load, in the middle of a part.
            shards = open_shards()
            if part == 0:
                split(shards[0])
            if part == 1:
                split(shards[-1])
            if part == 2:
                merge(*sorted(shards, key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"]))[:2])

until("all events are in the table", lambda: len(stack.positions("events", first)) >= len(here["events"]))
until("all refusals are in quarantine", lambda: len(stack.positions("quarantine", first)) >= len(here["quarantine"]))
check_equal("faults that never struck", [rule for rule in struck() if not rule["struck"]], [])
print(f"{sum(rule['struck'] for rule in struck())} faults")
strike([])
take_at_a_time(usual)


def events_of(tables):
    return sorted((stack.message_of(row), row["type"], row["event"] or "") for row in tables["events"])


def refusals_of(tables):
    return sorted((row["reason"], row["field"] or "") for row in tables["quarantine"])


def people_of(tables):
    """Of each person the messages, and what the newest row says."""
    newest = {}
    for row in sorted(tables["profiles"], key=lambda row: row["revision"]):
        newest[row["profile_id"]] = row
    canonical = {profile: row["merged_into"] or profile for profile, row in newest.items()}
    messages = {}
    for row in tables["events"]:
        messages.setdefault(canonical[row["profile_id"]], []).append(stack.message_of(row))
    told = lambda row: [
        row["events"],
        json.loads(row["traits"]),
        json.loads(row["counts"]),
        sorted(one["namespace"] + ":" + one["value"] for one in json.loads(row["identifiers"])),
    ]
    return sorted([sorted(ids), *told(newest[person])] for person, ids in messages.items())


there = stack.tables(first)
check_equal("events as on one machine", events_of(there), events_of(here))
check_equal("refusals as on one machine", refusals_of(there), refusals_of(here))
until("all people are in the table", lambda: people_of(stack.tables(first)) == people_of(here))
stack.check_no_position_twice()
stack.check_nothing_is_given_up()
print(f"{len(here['events'])} events of {len(people_of(here))} people, {len(here['quarantine'])} refusals, as on one machine")
stack.end()
