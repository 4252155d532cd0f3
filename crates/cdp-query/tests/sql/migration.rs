//! A table that an older version made: it gains the columns that it lacks, and its rows stay as they are.

use std::fs;
use std::path::Path;

use adapter_delta::DeltaLake;
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use cdp_ports::{Lake, TableName};
use serde_json::Value;
use tempfile::TempDir;

use crate::sample::{DAYS, Sample, rows};

const ADDED_SINCE: [&str; 2] = ["order_id", "locale"];

/// Makes the table's first commit one of a version that did not know the columns of `ADDED_SINCE`.
fn forget_columns(table: &Path) {
    let log = table.join("_delta_log").join(format!("{:020}.json", 0));
    let commit = fs::read_to_string(&log).expect("the first commit");
    let lines = commit.lines().map(|line| {
        let mut action: Value = serde_json::from_str(line).expect("JSON");
        if let Some(schema) = action.pointer_mut("/metaData/schemaString") {
            let mut columns: Value = serde_json::from_str(schema.as_str().expect("text")).expect("JSON");
            let fields = columns["fields"].as_array_mut().expect("columns");
            fields.retain(|field| !ADDED_SINCE.iter().any(|added| field["name"] == *added));
            *schema = Value::String(columns.to_string());
        }
        action.to_string() + "\n"
    });
    fs::write(&log, lines.collect::<String>()).expect("a writable folder");
}

fn without_added(rows: &RecordBatch) -> RecordBatch {
    let old = |name: &str| !ADDED_SINCE.contains(&name);
    let kept: Vec<usize> =
        rows.schema().fields().iter().enumerate().filter(|(_, field)| old(field.name())).map(|(at, _)| at).collect();
    rows.project(&kept).expect("columns that are there")
}

/// A file of the older layout beside one of the newest.
async fn old_lake() -> Sample {
    let folder: TempDir = Sample::empty().folder;
    forget_columns(&folder.path().join("events"));
    let lake = DeltaLake::open(folder.path()).expect("an older lake is migrated");
    let sample = Sample { folder, lake };
    sample.commit(TableName::Events, 1, DAYS[0], &without_added(&rows(TableName::Events, 0))).await;
    sample.commit(TableName::Events, 2, DAYS[1], &rows(TableName::Events, 1)).await;
    sample
}

async fn numbers(sample: &Sample, statement: &str) -> Vec<i64> {
    let (_, batches) = sample.query().sql(statement).await.expect("a sound statement");
    batches[0].columns().iter().map(|column| column.as_primitive::<Int64Type>().value(0)).collect()
}

#[tokio::test]
async fn an_older_table_gains_columns_and_its_rows_are_null_there() {
    let sample = old_lake().await;
    let counts = "select count(*), count(order_id), count(locale), count(revenue), count(context) from events";
    assert_eq!(numbers(&sample, counts).await, [8, 1, 1, 4, 2]);
    assert_eq!(numbers(&sample, "select count(*) from events where locale = 'de-DE'").await, [1]);
    assert_eq!(numbers(&sample, "select count(*) from events where locale is null").await, [7]);
}

#[tokio::test]
async fn files_of_both_layouts_are_compacted_into_one() {
    let sample = old_lake().await;
    for plan in 3..11 {
        let rows = rows(TableName::Events, 0);
        let rows = if plan % 2 == 0 { rows } else { without_added(&rows) };
        sample.commit(TableName::Events, plan, DAYS[0], &rows).await;
    }
    let before = numbers(&sample, "select count(*), count(locale), count(message_id) from events").await;
    let compacted = sample.lake.compact(TableName::Events, 1 << 30).await.expect("compacted");
    assert_eq!(compacted.map(|done| (done.files_removed, done.files_added)), Some((9, 1)));
    assert_eq!(numbers(&sample, "select count(*), count(locale), count(message_id) from events").await, before);
}

#[tokio::test]
async fn a_column_of_another_type_is_refused_when_the_lake_is_opened() {
    let folder = Sample::empty().folder;
    let log = folder.path().join("events/_delta_log").join(format!("{:020}.json", 0));
    let commit = fs::read_to_string(&log).expect("the first commit");
    fs::write(&log, commit.replace(r#"\"revenue\",\"type\":\"double\""#, r#"\"revenue\",\"type\":\"string\""#))
        .expect("writable");
    let refused = DeltaLake::open(folder.path()).err().expect("refused");
    assert!(refused.to_string().contains("revenue"), "{refused}");
}
