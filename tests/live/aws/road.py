"""What is sent to the deployed stack, by HTTP and by boto3, comes out as profiles and Delta tables, as on one machine."""

import json

import stack
from stack import TOKEN, WRITE_KEY, call, check_equal, until

lines, *_ = stack.clickstream("--events", 1500, "--people", 100, "--seed", 5)

# Half as a producer of the stream, with what can't become an event; the other half as SDKs do, in batches.
by_http = [line for line in lines[len(lines) // 2 :] if stack.is_json(line)]
refused = ["not JSON", '{"type":"track","event":"Seen"}', '{"userId":"jane"}']
by_stream = [*lines[: len(lines) // 2], *(line for line in lines[len(lines) // 2 :] if not stack.is_json(line)), *refused]
stack.put(by_stream, [str(at % 7) for at in range(len(by_stream))])
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
    found = stack.profile(name)
    return found and (found["id"], found["events"]["total"])


names = ["user_id:jane doe/7", "email:jane@example.com", "anonymous_id:janes-laptop", "anonymous_id:janes-phone"]
until("Jane is one person by each of her names", lambda: {jane(name) for name in names} == {jane(names[0])} != {None})
until("Jane has three events", lambda: jane(names[0])[1] == 3)


def sorted_events(rows):
    """Without Jane's."""
    of_others = [row for row in rows if not str(row["anonymous_id"]).startswith("janes-")]
    return sorted((stack.message_of(row), row["event"] or "", row["type"]) for row in of_others)


def events():
    return sorted_events(stack.rows("events", ["message_id", "anonymous_id", "event", "type"]))


here = stack.tables_here([*lines, *refused])
until("all events are in the table", lambda: len(events()) >= len(here["events"]))
check_equal("events as on one machine", events(), sorted_events(here["events"]))
until("what was refused is in quarantine", lambda: len(stack.positions("quarantine")) >= len(here["quarantine"]))
check_equal("quarantine", len(stack.positions("quarantine")), len(here["quarantine"]))
print(f"{len(here['events'])} events and {len(here['quarantine'])} refusals, as on one machine")
stack.end()
