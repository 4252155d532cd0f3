//! Files that a filter excludes are not opened, and the answer is what a scan of all rows says.

use std::iter::once;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::util::display::array_value_to_string;
use cdp_ports::{Lake, Landing, TableName};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;

use crate::sample::{Sample, event_rows};

/// Longer than the bounds that are kept of text.
const LONG: &str = "a name whose first characters are those of another name";

fn order(user: &str, revenue: f64) -> String {
    let properties = format!(r#"{{"revenue":{revenue}}}"#);
    format!(r#"{{"type":"track","event":"Order Completed","userId":"{user}","properties":{properties}}}"#)
}

fn named(event: &str, user: &str) -> String {
    format!(r#"{{"type":"track","event":"{event}","userId":"{user}","sentAt":"2026-01-31T09:30:00Z"}}"#)
}

fn page(user: &str) -> String {
    format!(r#"{{"type":"page","name":"Home","userId":"{user}"}}"#)
}

fn identify(device: &str) -> String {
    format!(r#"{{"type":"identify","anonymousId":"{device}","traits":{{}}}}"#)
}

/// Five files over three days. The last one has no bounds but its day.
async fn lake() -> Sample {
    let sample = Sample::empty();
    let files: [(&str, i64, Vec<String>); 5] = [
        ("2026-01-30", 0, vec![order("u-00", 1.0), order("u-01", 20.0), order("u-02", 3.5)]),
        ("2026-01-30", 0, vec![page("u-10"), page("u-11")]),
        ("2026-01-31", 1, vec![named(&format!("{LONG} 1"), "u-20"), named(&format!("{LONG} 2"), "u-2é")]),
        ("2026-01-31", 1, vec![identify("device-1"), identify("device-2")]),
        ("2026-02-01", 2, vec![order("u-00", 7.0), page("u-40"), identify("device-3")]),
    ];
    for (number, (date, day, events)) in (0..).zip(files) {
        let rows = event_rows(day, 10 * number, &events).expect("columns of one length");
        let put = sample.lake.put(TableName::Events, date, &format!("file-{number}"), &mut once(Ok(rows))).await;
        let mut file = put.expect("a writable folder");
        if number == 4 {
            file.stats = r#"{"numRecords":3}"#.to_owned();
        }
        sample.lake.commit(TableName::Events, number + 1, &[file]).await.expect("the next plan");
    }
    sample
}

/// How many files the plan of a statement opens.
async fn files(sample: &Sample, filter: &str) -> usize {
    let explain = format!("explain select message_id from events where {filter}");
    let (_, plans) = sample.query().sql(&explain).await.expect("a sound statement");
    let texts = plans.iter().flat_map(|plans| plans.column(1).as_string::<i32>().iter().flatten());
    texts.map(|plan| plan.matches(".parquet").count()).sum()
}

#[tokio::test]
async fn only_files_that_may_match_are_opened() {
    let sample = lake().await;
    for (filter, expected) in [
        ("true", 5),
        ("date = '2026-01-30'", 2),
        ("date > '2026-01-30'", 3),
        ("date in ('2026-01-31', '2026-02-01')", 3),
        ("date = '2027-01-01'", 0),
        ("received_at >= '2026-01-31T00:00:00Z' and date < '2026-02-01'", 2),
        ("received_at < '2026-01-30T09:00:00Z' and date < '2026-02-01'", 0),
        ("type = 'identify'", 2),
        ("type <> 'page'", 4),
        ("user_id = 'u-01'", 2),
        ("user_id like 'u-1%'", 2),
        ("user_id is null", 2),
        ("user_id is not null and date = '2026-01-31'", 1),
        ("event is null and date < '2026-02-01'", 2),
        ("upper(user_id) = 'U-01'", 5),
        ("revenue > 5", 2),
        ("message_id > 'x'", 5),
        ("user_id = 'u-01' or message_id > 'x'", 5),
        ("user_id = 'u-01' and message_id > 'x'", 2),
    ] {
        assert_eq!(files(&sample, filter).await, expected, "{filter}");
    }
    // A bound that is cut off still holds what begins as it does.
    let long = format!("event = '{LONG} 2' and date = '2026-01-31'");
    assert_eq!(files(&sample, &long).await, 1);
}

/// The same rows in memory, where nothing is passed over.
async fn in_memory(sample: &Sample) -> SessionContext {
    let (schema, rows) = sample.query().sql("select * from events").await.expect("a sound statement");
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 12);
    let context = SessionContext::new();
    let table = MemTable::try_new(schema, vec![rows]).expect("one layout");
    context.register_table("events", Arc::new(table)).expect("a new name");
    context
}

fn ids(rows: &[RecordBatch]) -> Vec<&str> {
    rows.iter().flat_map(|rows| rows.column(0).as_string::<i32>().iter().flatten()).collect()
}

/// Each of these, the opposite of each, and many pairs of them.
fn filters() -> Vec<String> {
    let mut atoms = vec![
        format!("event = '{LONG} 1'"),
        format!("event > '{LONG} 1'"),
        format!("event < '{LONG} 2'"),
        format!("event >= '{}'", &LONG[..32]),
        format!("event <= '{}'", &LONG[..32]),
        format!("event <> '{}'", &LONG[..32]),
    ];
    for operator in ["=", "<>", "<", "<=", ">", ">="] {
        for (column, value) in [
            ("date", "date '2026-01-31'"),
            ("received_at", "timestamp '2026-01-31T10:00:00Z'"),
            ("timestamp", "timestamp '2026-01-30T10:00:00.0005Z'"),
            ("sent_at", "timestamp '2026-01-31T09:30:00Z'"),
            ("user_id", "'u-11'"),
            ("user_id", "'u-2é'"),
            ("event", "'Order Completed'"),
            ("type", "'page'"),
            ("revenue", "3.5"),
        ] {
            atoms.push(format!("{column} {operator} {value}"));
        }
    }
    for other in [
        "user_id is null",
        "event is not null",
        "sent_at is null",
        "user_id in ('u-00', 'u-40')",
        "user_id not in ('u-00', 'u-40')",
        "user_id like 'u-2%'",
        "user_id not like 'u-1%'",
        "user_id between 'u-02' and 'u-20'",
        "coalesce(user_id, '') = ''",
        "received_at between '2026-01-30T10:00:00Z' and '2026-01-31T09:00:00Z'",
        "cast(date as string) = '2026-01-30'",
        "user_id = anonymous_id",
        "user_id < event",
    ] {
        atoms.push(other.to_owned());
    }
    let opposites = atoms.iter().map(|atom| format!("not ({atom})"));
    let count = atoms.len();
    let pairs = (0..2 * count).map(|at| {
        let (one, other) = (&atoms[at % count], &atoms[(at * 31 + 7) % count]);
        let join = if at < count { "and" } else { "or" };
        format!("({one}) {join} ({other})")
    });
    atoms.iter().cloned().chain(opposites).chain(pairs).collect()
}

#[tokio::test]
async fn answers_are_those_of_a_scan_of_all_rows() {
    let sample = lake().await;
    let (query, all) = (sample.query(), in_memory(&sample).await);
    let mut found = 0;
    for filter in filters() {
        let statement = format!("select message_id from events where {filter} order by message_id");
        let (_, pruned) = query.sql(&statement).await.unwrap_or_else(|error| panic!("{filter}: {error}"));
        let scanned = all.sql(&statement).await.expect("a sound statement").collect().await.expect("rows");
        assert_eq!(ids(&pruned), ids(&scanned), "{filter}");
        found += ids(&pruned).len();
    }
    assert!(found > 1000, "filters that find nothing prove nothing: {found}");
}

/// A filter that an aggregate learns as it goes knows no `sent_at` yet, and passes the only file that has one over, for its
/// `received_at` is no new maximum.
#[tokio::test]
async fn two_maxima_are_right_whichever_file_has_them() {
    let sample = Sample::empty();
    for plan in 1..=24 {
        // The last one by name.
        let (day, event) = if plan == 9 { (0, named("Sent", "u")) } else { (1, page("u")) };
        let rows = event_rows(day, 0, &[event]).expect("columns of one length");
        sample.commit(TableName::Events, plan, "2026-01-31", &rows).await;
    }
    let (_, rows) = sample.query().sql("select max(received_at), max(sent_at) from events").await.expect("sound");
    let texts = rows[0].columns().iter().map(|column| array_value_to_string(column, 0).expect("text"));
    assert_eq!(texts.collect::<Vec<_>>(), ["2026-01-31T09:00:00Z", "2026-01-31T09:30:00Z"]);
}
