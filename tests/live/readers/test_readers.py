"""Other engines read the tables, and agree with DataFusion on what they say."""

import json
import os
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import deltalake
import polars as pl
import pytest
from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession

CDP = os.environ["CDP_BIN"]
DEPLOYMENT = Path(os.environ["CDP_DEPLOYMENT"]).resolve()
TABLES = ["events", "quarantine", "identity", "profiles"]
VIEWS = Path(__file__).parents[3] / "schemas" / "tables" / "views.md"

# Statements that every engine understands as they stand, each with a single meaning: no ties, no order left open.
QUESTIONS = {
    **{f"rows of {table}": f"select count(*) as n from {table}" for table in TABLES},
    **{f"days of {table}": f"select cast(date as string) as day, count(*) as n from {table} group by date order by day" for table in TABLES},
    **{
        f"positions of {table}": f"select count(*) as n, count(distinct sequence) as sequences, sum(sub) as subs, "
        f"min(partition) as first, max(partition) as last from {table}"
        for table in TABLES
    },
    "events by type": "select type, count(*) as n, count(event) as named, count(user_id) as known from events group by type order by type",
    "events by source": "select source, count(*) as n, count(distinct profile_id) as profiles from events group by source order by source",
    "revenue": "select count(revenue) as n, round(sum(revenue), 2) as total, min(revenue) as low, max(revenue) as high from events",
    "moments": "select min(timestamp) as first, max(timestamp) as last, min(received_at) as received, max(sent_at) as sent from events",
    "facts": "select count(page_path) as paths, count(locale) as locales, count(distinct library_name) as libraries, "
    "count(currency) as currencies, count(order_id) as orders from events",
    "text": "select sum(length(properties)) as properties, sum(length(traits)) as traits, sum(length(context)) as contexts, "
    "max(user_id) as last_user from events",
    "a day chosen by its partition": "select count(*) as n from events where date = (select max(date) from events)",
    "a moment chosen by statistics": "select count(*) as n from events where received_at >= (select max(received_at) from events)",
    "a type chosen by statistics": "select count(*) as n from events where type = 'identify' and event is null",
    "text chosen by statistics": "select count(*) as n, count(user_id) as known from events where event >= 'O' and event < 'P' and type <> 'page'",
    "what no file holds": "select count(*) as n from events where type = 'nothing' or date < cast('2000-01-01' as date)",
    "reasons": "select reason, count(*) as n, count(field) as fields from quarantine group by reason order by reason",
    "decisions": "select decision, count(*) as n, count(distinct profile_id) as profiles, count(canonical_id) as canonical, "
    "max(revision) as revision from identity group by decision order by decision",
    "namespaces": "select namespace, count(distinct value) as n from identity where decision = 'claim' group by namespace order by namespace",
    "newest profiles": "select count(distinct profile_id) as n, sum(events) as events, max(revision) as revision, "
    "count(merged_into) as merged, min(created_at) as first, max(last_seen) as last from profiles",
    "canonical": "select count(*) as n, count(distinct canonical_id) as people from canonical",
    "people": "select count(*) as n, sum(events) as events, min(first_seen) as first, sum(length(traits)) as traits from people",
    "events of people": "select count(*) as n, count(distinct c.canonical_id) as people from events e "
    "join canonical c on c.profile_id = e.profile_id",
}


def views():
    """The views' SQL as their document has it."""
    sections = VIEWS.read_text().split("\n## ")[1:]
    return {section.split("\n", 1)[0]: section.split("```sql\n")[1].split("\n```")[0] for section in sections}


def path(table):
    return str(DEPLOYMENT / "lake" / table)


class DataFusion:
    """The platform's own answer, by its command line."""

    def ask(self, statement):
        command = [CDP, "query", "--dir", str(DEPLOYMENT), "--format", "json", statement]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


class Deltalake:
    """delta-rs: its own reader of the log under its own SQL."""

    def __init__(self):
        self.engine = deltalake.QueryBuilder()
        for table in TABLES:
            self.engine = self.engine.register(table, deltalake.DeltaTable(path(table)))

    def ask(self, statement):
        with_views = ", ".join(f"{name} as ({sql})" for name, sql in views().items())
        rows = self.engine.execute(f"with {with_views} {statement}").read_all()
        return rows.to_pylist() if hasattr(rows, "to_pylist") else pl.DataFrame(rows).to_dicts()


class Polars:
    """Polars: another reader of Parquet and another SQL."""

    def __init__(self):
        tables = {table: pl.scan_delta(path(table)) for table in TABLES}
        self.engine = pl.SQLContext(tables, eager=True)
        for name, sql in views().items():
            self.engine.register(name, self.engine.execute(sql).lazy())

    def ask(self, statement):
        return self.engine.execute(statement).to_dicts()


class Sail:
    """Sail: Spark's dialect, which Databricks speaks too."""

    def __init__(self):
        self.server = SparkConnectServer(ip="127.0.0.1", port=0)
        self.server.start(background=True)
        ip, port = self.server.listening_address
        self.spark = SparkSession.builder.remote(f"sc://{ip}:{port}").getOrCreate()
        self.spark.conf.set("spark.sql.session.timeZone", "UTC")
        for table in TABLES:
            self.spark.read.format("delta").load(path(table)).createOrReplaceTempView(table)
        for name, sql in views().items():
            self.spark.sql(sql).createOrReplaceTempView(name)

    def ask(self, statement):
        return [row.asDict() for row in self.spark.sql(statement).collect()]

    def close(self):
        """The session before its server: the client would try for minutes to tell a server that is gone."""
        self.spark.stop()
        self.server.stop()


@pytest.fixture(scope="module")
def datafusion():
    return DataFusion()


@pytest.fixture(scope="module", params=[Deltalake, Polars, Sail], ids=lambda reader: reader.__name__)
def reader(request):
    engine = request.param()
    yield engine
    if hasattr(engine, "close"):
        engine.close()


def plain(value):
    """One form for a value, whatever its engine's types: moments as UTC milliseconds, whole numbers as numbers."""
    if isinstance(value, datetime):
        value = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        return round(value.timestamp() * 1000)
    if isinstance(value, str):
        try:
            return plain(datetime.fromisoformat(value)) if "T" in value and ":" in value else value
        except ValueError:
            return value
    if isinstance(value, float):
        return round(value, 2)
    return value


def plainly(rows):
    return [{name: plain(value) for name, value in row.items() if value is not None} for row in rows]


@pytest.mark.parametrize("question", QUESTIONS)
def test_reader_agrees_with_datafusion(reader, datafusion, question):
    statement = QUESTIONS[question]
    assert plainly(reader.ask(statement)) == plainly(datafusion.ask(statement))


def test_refused_bytes_are_the_same_bytes(datafusion):
    named = "partition, sequence, sub"
    told = datafusion.ask(f"select {named}, encode(bytes, 'hex') as bytes from quarantine order by {named}")
    read = pl.read_delta(path("quarantine")).sort("partition", "sequence", "sub")
    assert read.select("partition", "sequence", "sub", pl.col("bytes").bin.encode("hex")).to_dicts() == told


def test_the_lake_is_not_empty(datafusion):
    for table in TABLES:
        assert datafusion.ask(f"select count(*) as n from {table}")[0]["n"] > 0, table


@pytest.mark.parametrize("table", TABLES)
def test_a_table_needs_no_reader_features(table):
    protocol = deltalake.DeltaTable(path(table)).protocol()
    assert not protocol.reader_features, protocol


@pytest.mark.parametrize("table", TABLES)
def test_columns_are_those_of_the_document(table):
    document = (VIEWS.parent / f"{table}.md").read_text()
    documented = [line.strip("|").split("|")[:2] for line in document.splitlines() if line.startswith("| `")]
    fields = json.loads(deltalake.DeltaTable(path(table)).schema().to_json())["fields"]
    found = {field["name"]: "int" if field["type"] == "integer" else field["type"] for field in fields}
    assert found == {name.strip(" `"): kind.strip() for name, kind in documented}
