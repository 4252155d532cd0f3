"""Each grant is needed: without it the very thing stops, no event is lost or refused for it, and with it again all arrives."""

import json
import time

import boto3
import stack
from stack import TOKEN, WRITE_KEY, call, check_equal, until

iam, logs = boto3.client("iam"), boto3.client("logs")


class Without:
    """A function's role, without one of its actions."""

    def __init__(self, construct, action):
        self.function, self.action = stack.function(construct), action
        self.role = self.function["Role"].rsplit("/", 1)[1]

    def __enter__(self):
        names = iam.list_role_policies(RoleName=self.role)["PolicyNames"]
        self.before = {name: iam.get_role_policy(RoleName=self.role, PolicyName=name)["PolicyDocument"] for name in names}
        taken = 0
        for name, policy in self.before.items():
            kept = [self.keep(statement) for statement in policy["Statement"]]
            taken += kept != policy["Statement"]
            self.put(name, {**policy, "Statement": [statement for statement in kept if statement["Action"]]})
        check_equal(f"policies of {self.role} with {self.action}", taken, 1)
        self.since_ms = int(time.time() * 1000)
        return self

    def keep(self, statement):
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        if self.action not in actions:
            return statement
        return {**statement, "Action": [action for action in actions if action != self.action]}

    def put(self, name, policy):
        iam.put_role_policy(RoleName=self.role, PolicyName=name, PolicyDocument=json.dumps(policy))

    def __exit__(self, *_):
        for name, policy in self.before.items():
            self.put(name, policy)

    def is_told(self):
        """The function's log has an error since then that says so."""
        group = f"/aws/lambda/{self.function['FunctionName']}"
        group = self.function.get("LoggingConfig", {}).get("LogGroup", group)
        found = logs.filter_log_events(logGroupName=group, startTime=self.since_ms)["events"]
        errors = [event["message"] for event in found if '"level":"ERROR"' in event["message"]]
        return any(word in error for error in errors for word in ("AccessDenied", "Broken"))


def landed(user):
    return [row for row in stack.rows("events", ["user_id"]) if row["user_id"] == user]


def waiting():
    return len(stack.items("outbox/events"))


def refused():
    return len(stack.positions("quarantine"))


def send(user):
    stack.put([json.dumps(event_of(user))], [user])


def event_of(user):
    return {"type": "track", "userId": user, "event": "Seen", "messageId": f"message-of-{user}"}


def check_is_repeated(construct, action):
    """Of a stretch behind the stream: it goes on with what it could not do."""
    user = f"granted-{stack.RUN}-{construct}-{action}"
    before = refused()
    with Without(construct, action) as missing:
        send(user)
        until(f"{construct} fails without {action}", missing.is_told)
        check_equal("events that are in the table all the same", landed(user), [])
    until("with it, the event arrives", lambda: landed(user))
    check_equal("events of the user", len(landed(user)), 1)
    check_equal("events that were refused for it", refused(), before)


for action in ["dynamodb:BatchGetItem", "dynamodb:UpdateItem", "dynamodb:ConditionCheckItem", "dynamodb:Query", "s3:PutObject"]:
    check_is_repeated("Ingest", action)
check_is_repeated("Commit", "s3:PutObject")

# A plan that can't be ended keeps the next one from its beginning; what it committed is not committed again.
plan, next_plan = (f"granted-{stack.RUN}-{name}" for name in ("plan", "next-plan"))
with Without("Commit", "dynamodb:DeleteItem") as missing:
    send(plan)
    until("Commit fails without dynamodb:DeleteItem", missing.is_told)
    send(next_plan)
    until("the next plan waits", lambda: waiting() > 1)
    check_equal("events of the next plan", landed(next_plan), [])
until("with it, the events arrive", lambda: landed(next_plan))
check_equal("events of both", [len(landed(plan)), len(landed(next_plan))], [1, 1])

user = f"granted-{stack.RUN}-collect"
with Without("Collect", "kinesis:PutRecords"):
    status, _ = call("POST", "/v1/track", WRITE_KEY, event_of(user))
    check_equal("an SDK would try again", status >= 500, True)
check_equal("an event", call("POST", "/v1/track", WRITE_KEY, event_of(user))[0], 200)
until("with it, the event arrives", lambda: landed(user))

lookup = lambda: call("GET", f"/v1/profiles/user_id:{user}", TOKEN)[0]
with Without("Profiles", "dynamodb:BatchGetItem"):
    check_equal("a lookup that fails is no person that is not there", lookup() >= 500, True)
check_equal("a lookup", lookup(), 200)

past = lambda: call("GET", f"/v1/spaces/s/collections/users/profiles/user_id:{user}/events", TOKEN)[0]
with Without("Profiles", "athena:StartQueryExecution"):
    check_equal("a past that can't be read is no empty one", past(), 500)
    check_equal("a lookup, all the same", lookup(), 200)
check_equal("a person's past", past(), 200)

stack.check_no_position_twice()
stack.check_nothing_is_given_up()
stack.end()
