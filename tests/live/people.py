"""One person by three ways: a device before the login, the login, an order by e-mail; all lookups agree."""

import os
import urllib.parse

from platform_under_test import get, post, query, until

url, key, token = os.environ["CDP_URL"], os.environ["CDP_WRITE_KEY"], os.environ["CDP_API_TOKEN"]
run = str(os.getpid())
user, device, email = f"jane-{run}", f"device-{run}", f"Jane.{run}@Example.com"

post(url, key, "/v1/page", {"anonymousId": device, "name": "Home"})
post(url, key, "/v1/identify", {"userId": user, "anonymousId": device, "traits": {"email": email, "plan": "pro"}})
post(url, key, "/v1/track", {"userId": user, "event": "Order Completed", "properties": {"revenue": 42.5}})
verdicts = post(url, key, "/v1/batch?verdicts=true", {"batch": [{"type": "track", "userId": user}, {"type": "page", "userId": user}]})
assert [verdict["status"] for verdict in verdicts["verdicts"]] == ["refused", "accepted"], verdicts


def profile(name):
    return get(url, token, "/v1/profiles/" + urllib.parse.quote(name, safe=":"))


until(lambda: profile(f"user_id:{user}")[1].get("events", {}).get("total") == 4, 10, "the person has four events")
people = [profile(name)[1] for name in (f"user_id:{user}", f"anonymous_id:{device}", f"email:{email.lower()}")]
assert len({person["id"] for person in people}) == 1, people
assert people[0]["traits"]["plan"]["value"] == "pro", people[0]
assert profile("user_id:nobody-at-all")[0] == 404

until(lambda: query(f"select 1 as n from people where profile_id = '{people[0]['id']}'"), 10, "the person is in the view")
rows = query(
    "select c.canonical_id, count(*) as n, sum(e.revenue) as revenue from events e join canonical c using (profile_id) "
    f"where c.canonical_id = '{people[0]['id']}' group by c.canonical_id"
)
assert rows == [{"canonical_id": people[0]["id"], "n": 4, "revenue": 42.5}], rows

path = f"/v1/spaces/any/collections/users/profiles/user_id:{user}/events?limit=100"
landed = [event["type"] for event in get(url, token, path)[1]["data"] if event["external_ids"]]
assert sorted(landed) == ["identify", "page", "page", "track"], landed
print(f"{people[0]['id']} is one person by three names")
