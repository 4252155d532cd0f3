"""What is sent to the deployed stack, by HTTP and by boto3, comes out as profiles and Delta tables, as on one machine."""

import json
import urllib.parse

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


# --- a person's past, page by page, as the table has it

def pasts():
    """Message ids of each person, newest first."""
    profiles = sorted(stack.rows("profiles", ["profile_id", "merged_into", "revision"]), key=lambda row: row["revision"])
    canonical = {row["profile_id"]: row["merged_into"] or row["profile_id"] for row in profiles}
    told = {}
    for row in stack.rows("events", ["profile_id", "timestamp", "message_id"]):
        told.setdefault(canonical[row["profile_id"]], []).append((row["timestamp"], row["message_id"]))
    return {person: [message for _, message in sorted(events, reverse=True)] for person, events in told.items()}


def past(person, limit, **query):
    found, following = [], ""
    while True:
        query.update(start="2000-01-01", limit=limit, next=following)
        path = f"/v1/spaces/s/collections/users/profiles/{person}/events?{urllib.parse.urlencode(query)}"
        status, page = call("GET", path, TOKEN)
        check_equal("a page of a person's past", status, 200)
        check_equal("where it has its ids from", all(event["external_ids"] for event in page["data"]), True)
        found += [event["message_id"] for event in page["data"]]
        following = page["cursor"]["next"]
        if not following:
            return found


person, messages = max(pasts().items(), key=lambda one: len(one[1]))
check_equal("a past beyond what a profile keeps", len(messages) > 5, True)
check_equal("a person's past", past(person, 100), messages)
check_equal("page by page, from the oldest on", past(person, len(messages) // 2, sort="asc"), messages[::-1])
check_equal("by a hostile name", past(person, 10, include="x') or ('' = '"), [])
print(f"{len(messages)} events of one person by Athena, as the table has them")
print(f"{len(here['events'])} events and {len(here['quarantine'])} refusals, as on one machine")
stack.end()
