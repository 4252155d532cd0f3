"""Events as a shard would deliver them at a rate, from the labelled stream (events/clickstream), which is that of one shop over a
month. Sessions are kept as they are, with the seconds between their events, and begin at drawn moments, so many a second that
the rate comes out. So how many events of one person are in one batch depends on nothing but the batch's window, as in life.

A slice of that is measured. What its people did before is history: it makes their profiles what they would be by then.
"""

import base64
import csv
import gzip
import json
import pathlib
import random
import re

SAME_SESSION_S = 30 * 60
# What Lambda takes in one call.
MOST_BYTES = 6 * 1024 * 1024
RECEIVED = re.compile(rb'"receivedAt":"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z"')
DEVICE = re.compile(rb'"anonymousId":"([^"]+)"')
USER = re.compile(rb'"userId":"([^"]+)"')


class Traffic:
    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.lines = (folder / "events.jsonl").read_bytes().splitlines()
        with open(folder / "truth.csv", newline="") as file:
            people = [row["person"] for row in csv.DictReader(file)]
        self.people = people
        self.clocks = clocks(self.lines)
        self.sessions = sessions(self.clocks, people)

    def slice(self, rate, seconds, seed):
        """History, and what arrives in `seconds` at `rate` events a second, both as (second, line). History ends at second 0,
        and reaches back as far as the stream does: a profile remembers messages for a time only. Each person's last event
        comes behind all others: a profile remembers the places of what one batch brought until the next one."""
        drawn = random.Random(seed)
        span = len(self.lines) / rate
        begins = [drawn.uniform(0, span) for _ in self.sessions]
        # Far enough from the beginning that sessions of all lengths are under way.
        start = span / 2
        measured, there, before = [], set(), []
        for begin, session in zip(begins, self.sessions):
            for after, at in session:
                moment = begin + after - start
                if 0 <= moment < seconds:
                    measured.append((moment, at))
                    there.add(self.people[at])
                elif moment < 0:
                    before.append(at)
        before = sorted(at for at in before if self.people[at] in there)
        last = {self.people[at]: at for at in before}
        history = sorted(before, key=lambda at: (last[self.people[at]] == at, self.people[at], at))
        past = [(self.clocks[at] - self.clocks[-1], self.lines[at]) for at in history]
        return past, [(moment, self.lines[at]) for moment, at in sorted(measured)]


def clocks(lines):
    """When each line arrived, in seconds; what can't be read arrived with the one before."""
    found, clock = [], 0.0
    for line in lines:
        if (received := RECEIVED.search(line)) is not None:
            _, month, day, hour, minute, second, ms = map(int, received.groups())
            clock = ((month * 31 + day) * 24 + hour) * 3600 + minute * 60 + second + ms / 1000
        found.append(clock)
    return found


def sessions(clocks, people):
    """Lists of (seconds since its beginning, line's number)."""
    last, found = {}, []
    for at, (clock, person) in enumerate(zip(clocks, people)):
        begun = last.get(person)
        if begun is None or clock - begun[1] > SAME_SESSION_S:
            found.append([])
            begun = last[person] = [clock, clock, found[-1]]
        begun[1] = clock
        begun[2].append((max(0.0, clock - begun[0]), at))
    return found


def partition_key(line):
    """As `collect` chooses it."""
    found = DEVICE.search(line) or USER.search(line)
    return found.group(1).decode() if found else "nobody"


def compress(lines):
    """As a producer may: level 6 is gzip's own default."""
    return gzip.compress(b"\n".join(lines), 6)


def events_of(record):
    """The lines that a record brings."""
    data = base64.b64decode(record["kinesis"]["data"])
    return gzip.decompress(data).split(b"\n") if data.startswith(b"\x1f\x8b") else [data]


class Shard:
    """Records as an event source mapping hands them over."""

    def __init__(self, number, stream="arn:aws:kinesis:us-east-1:000000000000:stream/cdp-dev-StreamEvents-0123456789ab"):
        self.id, self.stream, self.sequence = f"shardId-{number:012d}", stream, number * 10**9

    def record(self, line, arrived, key=None):
        self.sequence += 1
        sequence = "49" + str(self.sequence).rjust(54, "0")
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": key or partition_key(line),
                "sequenceNumber": sequence,
                "data": base64.b64encode(line).decode(),
                "approximateArrivalTimestamp": round(arrived, 3),
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{self.id}:{sequence}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::000000000000:role/cdp-dev-IngestFunctionRole0123456789ab",
            "awsRegion": "us-east-1",
            "eventSourceARN": self.stream,
        }

    def batches(self, events, window_s, most_records, arrived, in_a_record=1):
        """A batch ends with its window, or when it is full. The last one is not whole, and is left out."""
        batch, bytes_, until = [], 0, window_s
        for moment, record in self.records(events, arrived, in_a_record):
            size = len(json.dumps(record)) + 1
            if batch and (moment >= until or len(batch) >= most_records or bytes_ + size > MOST_BYTES):
                yield {"Records": batch}
                batch, bytes_, until = [], 0, moment + window_s
            batch.append(record)
            bytes_ += size

    def records(self, events, arrived, in_a_record):
        """One for each event, or for so many that were compressed together; a record has the moment of its last event."""
        if in_a_record == 1:
            yield from ((moment, self.record(line, arrived + moment)) for moment, line in events)
            return
        for at in range(0, len(events), in_a_record):
            some = events[at : at + in_a_record]
            moment, lines = some[-1][0], [line for _, line in some]
            yield moment, self.record(compress(lines), arrived + moment, partition_key(lines[0]))

    def all(self, events, most_records, arrived):
        records = [self.record(line, arrived + moment) for moment, line in events]
        for at in range(0, len(records), most_records):
            yield {"Records": records[at : at + most_records]}
