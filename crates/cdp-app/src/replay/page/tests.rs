use std::iter::once;

use adapter_memory::MemoryLake;
use arrow::array::Array;
use cdp_event::{Reason, Rejection, Sequence};
use cdp_lake::rows::{QuarantineRow, QuarantineRows};
use cdp_ports::{Lake, Landing};
use futures::executor::block_on;

use super::super::Choice;
use super::*;

/// A row: when it was received, in ms; its partition and sequence number; its source; its reason.
type Row = (i64, &'static str, u128, &'static str, Reason);

const LATE: Timestamp = Timestamp::from_ms(1000);

/// Each file with its rows.
fn lake(files: &[&[Row]]) -> MemoryLake {
    let lake = MemoryLake::default();
    for (plan, rows) in files.iter().enumerate() {
        add(&lake, plan as u64 + 1, rows);
    }
    lake
}

fn add(lake: &MemoryLake, plan: u64, rows: &[Row]) {
    let mut made = QuarantineRows::default();
    for (ms, partition, sequence, source, reason) in rows {
        let offset = Offset::new(Sequence::new(*sequence), 0);
        let bytes = format!("{partition}{sequence}");
        let row = QuarantineRow {
            received_at: Timestamp::from_ms(*ms),
            source,
            rejection: &Rejection::new(*reason, ""),
            bytes: bytes.as_bytes(),
            request: None,
        };
        made.push(&PartitionId::new(partition), offset, &row);
    }
    let table = TableName::Quarantine;
    block_on(async {
        let file =
            lake.put(table, "2026-01-31", &format!("file-{plan}"), &mut once(made.finish())).await.expect("memory");
        lake.commit(table, plan, &[file]).await.expect("memory");
    });
}

fn job(reason: Option<&str>, choice: Choice) -> ReplayJob {
    let choice = Choice { until: choice.until.or(Some(LATE)), ..choice };
    ReplayJob::of_quarantine(reason.map(str::to_owned), choice, "test", LATE, 1)
}

/// The rows' bytes, in pages of `rows`. `between` is done after each page.
fn read(lake: &MemoryLake, job: &ReplayJob, rows: usize, between: impl Fn(usize)) -> Vec<String> {
    let pages = Pages { lake, job, rows };
    let bytes = |batch: &RecordBatch| {
        let bytes = batch.column_by_name("bytes")?.as_binary_opt::<i32>()?;
        Some((0..bytes.len()).map(|at| String::from_utf8_lossy(bytes.value(at)).into_owned()).collect())
    };
    let (mut read, mut after, mut number) = (Vec::new(), None, 0);
    loop {
        let page = block_on(pages.after(after.as_ref())).expect("memory");
        if page.is_empty() {
            return read;
        }
        read.extend(block_on(page.read(lake, bytes)).expect("memory"));
        after = page.places().last().cloned();
        number += 1;
        between(number);
    }
}

fn check_order(files: &[&[Row]], expected: &[&str]) {
    for rows in 1..=5 {
        let lake = lake(files);
        assert_eq!(read(&lake, &job(None, Choice::default()), rows, |_| {}), expected, "pages of {rows}");
    }
}

const WEB: &str = "web";
const NO: Reason = Reason::NotJson;

#[test]
fn rows_come_in_the_order_of_receipt_whatever_file_they_lie_in() {
    check_order(&[], &[]);
    check_order(&[&[(5, "a", 1, WEB, NO), (9, "a", 2, WEB, NO)], &[(7, "b", 1, WEB, NO)]], &["a1", "b1", "a2"]);
    check_order(&[&[(9, "a", 3, WEB, NO)], &[(2, "a", 1, WEB, NO), (1, "b", 1, WEB, NO)]], &["b1", "a1", "a3"]);
}

#[test]
fn rows_of_one_moment_come_in_the_order_of_their_positions() {
    check_order(&[&[(5, "a", 10, WEB, NO), (5, "a", 9, WEB, NO)], &[(5, "A", 11, WEB, NO)]], &["A11", "a9", "a10"]);
}

#[test]
fn rows_are_chosen_by_source_reason_and_time() {
    let rows: &[Row] = &[
        (1, "a", 1, "web", Reason::NotJson),
        (2, "a", 2, "app", Reason::NotJson),
        (3, "a", 3, "web", Reason::TooDeep),
        (4, "a", 4, "web", Reason::NotJson),
    ];
    let lake = lake(&[rows]);
    let at = |ms| Some(Timestamp::from_ms(ms));
    for (reason, source, since, until, expected) in [
        (None, None, None, None, vec!["a1", "a2", "a3", "a4"]),
        (Some("not_json"), None, None, None, vec!["a1", "a2", "a4"]),
        (Some("not_json"), Some("web"), None, None, vec!["a1", "a4"]),
        (None, Some("app"), None, None, vec!["a2"]),
        (None, None, at(2), at(4), vec!["a2", "a3"]),
        (None, None, at(5), None, vec![]),
        (Some("nothing"), None, None, None, vec![]),
    ] {
        let choice = Choice { source: source.map(str::to_owned), since, until };
        let case = format!("{reason:?} {choice:?}");
        assert_eq!(read(&lake, &job(reason, choice), 2, |_| {}), expected, "{case}");
    }
}

#[test]
fn a_compaction_between_two_pages_and_a_sweep_behind_it_lose_and_double_nothing() {
    let files: Vec<Vec<Row>> =
        (0..12).map(|n| vec![(n % 5, "a", n as u128, WEB, NO), (9 - n % 3, "b", n as u128, WEB, NO)]).collect();
    let files: Vec<&[Row]> = files.iter().map(Vec::as_slice).collect();
    let whole = read(&lake(&files), &job(None, Choice::default()), 100, |_| {});
    assert_eq!(whole.len(), 24);
    for compacted_after in 1..8 {
        let lake = lake(&files);
        let read = read(&lake, &job(None, Choice::default()), 3, |page| {
            if page == compacted_after {
                let table = TableName::Quarantine;
                block_on(async {
                    while lake.compact(table, u64::MAX).await.expect("memory").is_some() {}
                    assert_eq!(lake.sweep(table, &[], Timestamp::LATEST).await.expect("memory"), 12);
                });
            }
        });
        assert_eq!(read, whole, "after page {compacted_after}");
    }
}

#[test]
fn rows_that_come_meanwhile_are_read_if_they_are_the_jobs() {
    let lake = lake(&[&[(1, "a", 1, WEB, NO), (2, "a", 2, WEB, NO)]]);
    let read = read(&lake, &job(None, Choice::default()), 1, |page| {
        if page == 1 {
            add(&lake, 9, &[(3, "a", 3, WEB, NO), (1000, "a", 4, WEB, NO)]);
        }
    });
    assert_eq!(read, ["a1", "a2", "a3"]);
}
