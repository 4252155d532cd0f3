//! What [`Lake`] promises.

use std::iter::once;

use arrow::record_batch::RecordBatch;
use cdp_event::Timestamp;

use super::{assert_fault, run_each};
use crate::{DataFile, FaultKind, Lake, Landing, TableName};

/// A lake, and what the suite can't know of it: what rows its tables take, and how they are read.
pub trait LakeBench {
    type Lake: Lake;

    fn lake(&self) -> &Self::Lake;

    /// `count` rows that fit the table, without its `date` column.
    fn sample(&self, table: TableName, count: usize) -> RecordBatch;

    /// How many rows a reader of the table sees.
    fn count_rows(&self, table: TableName) -> impl Future<Output = usize>;
}

/// `make`: empty tables.
pub async fn all<B: LakeBench>(make: impl AsyncFn() -> B) {
    run_each!(make:
        a_new_table_is_empty_and_carries_no_plan,
        a_file_is_named_for_its_date_and_name,
        rows_are_not_seen_before_their_commit,
        a_commit_adds_all_its_files_and_carries_its_plan,
        a_plan_that_the_table_carries_is_stale,
        plans_may_leave_numbers_out,
        each_table_carries_its_own_plan,
        compaction_keeps_the_rows_and_comes_to_an_end,
        compaction_of_nothing_does_nothing,
        files_committed_after_a_compaction_are_added,
        sweep_deletes_files_that_nobody_names,
        sweep_keeps_committed_and_compacted_rows,
        sweep_keeps_files_written_since,
    );
}

pub async fn a_new_table_is_empty_and_carries_no_plan(bench: &impl LakeBench) {
    for table in TableName::ALL {
        assert_eq!(bench.lake().last_plan(table).await.expect("last plan"), None, "{table}");
        assert_eq!(bench.count_rows(table).await, 0, "{table}");
    }
}

pub async fn a_file_is_named_for_its_date_and_name(bench: &impl LakeBench) {
    for table in TableName::ALL {
        let file = bench.lake().put(table, DATE, "one-name", &mut once(Ok(bench.sample(table, 3)))).await.expect("put");
        assert_eq!(file.path, format!("date={DATE}/one-name.parquet"), "{table}");
        assert_eq!((file.date.as_str(), file.rows), (DATE, 3), "{table}");
        assert!(file.bytes > 0, "{table}");
    }
}

pub async fn rows_are_not_seen_before_their_commit(bench: &impl LakeBench) {
    let file = put(bench, "a", 3).await;
    assert_eq!(bench.count_rows(TABLE).await, 0);
    commit(bench, 1, &[file]).await;
    assert_eq!(bench.count_rows(TABLE).await, 3);
}

pub async fn a_commit_adds_all_its_files_and_carries_its_plan(bench: &impl LakeBench) {
    let mut expected = 0;
    for plan in 1..=3 {
        let mut files = vec![];
        for (date, rows) in [("2026-01-30", 1), (DATE, 2), (DATE, 4)] {
            let name = format!("{plan}-{}", files.len());
            let put = bench.lake().put(TABLE, date, &name, &mut once(Ok(bench.sample(TABLE, rows)))).await;
            files.push(put.expect("put"));
            expected += rows;
        }
        commit(bench, plan, &files).await;
        assert_eq!(bench.count_rows(TABLE).await, expected);
        assert_eq!(last_plan(bench).await, Some(plan));
    }
}

pub async fn a_plan_that_the_table_carries_is_stale(bench: &impl LakeBench) {
    let first = put(bench, "a", 1).await;
    commit(bench, 5, std::slice::from_ref(&first)).await;
    let second = put(bench, "b", 1).await;
    for (plan, file) in [(5, first), (5, second.clone()), (4, second.clone()), (1, second)] {
        let outcome = bench.lake().commit(TABLE, plan, &[file]).await;
        assert_fault(outcome, FaultKind::Stale, &format!("plan {plan} on a table that carries 5"));
        assert_eq!((bench.count_rows(TABLE).await, last_plan(bench).await), (1, Some(5)));
    }
}

pub async fn plans_may_leave_numbers_out(bench: &impl LakeBench) {
    for (plan, rows) in [(3, 1), (10, 2), (1_000_000, 3)] {
        let file = put(bench, &plan.to_string(), 1).await;
        commit(bench, plan, &[file]).await;
        assert_eq!((bench.count_rows(TABLE).await, last_plan(bench).await), (rows, Some(plan)));
    }
}

pub async fn each_table_carries_its_own_plan(bench: &impl LakeBench) {
    for (table, plan) in TableName::ALL.into_iter().zip(7..) {
        let file =
            bench.lake().put(table, DATE, "same-name", &mut once(Ok(bench.sample(table, 2)))).await.expect("put");
        bench.lake().commit(table, plan, &[file]).await.expect("commit");
    }
    for (table, plan) in TableName::ALL.into_iter().zip(7..) {
        assert_eq!(bench.lake().last_plan(table).await.expect("last plan"), Some(plan), "{table}");
        assert_eq!(bench.count_rows(table).await, 2, "{table}");
    }
}

pub async fn compaction_keeps_the_rows_and_comes_to_an_end(bench: &impl LakeBench) {
    let rows = commit_small_files(bench).await;
    let removed = compact_all(bench).await;
    assert!(removed >= SMALL_FILES, "{removed} of {SMALL_FILES} small files were taken");
    assert_eq!((bench.count_rows(TABLE).await, last_plan(bench).await), (rows, Some(SMALL_FILES)));
}

pub async fn compaction_of_nothing_does_nothing(bench: &impl LakeBench) {
    let lake = bench.lake();
    assert_eq!(lake.compact(TABLE, LARGE).await.expect("compact"), None, "an empty table");
    let file = put(bench, "alone", 1).await;
    commit(bench, 1, &[file]).await;
    assert_eq!(lake.compact(TABLE, LARGE).await.expect("compact"), None, "one file");
}

pub async fn files_committed_after_a_compaction_are_added(bench: &impl LakeBench) {
    let rows = commit_small_files(bench).await;
    let waiting = put(bench, "waiting", 5).await;
    compact_all(bench).await;
    commit(bench, SMALL_FILES + 1, &[waiting]).await;
    assert_eq!((bench.count_rows(TABLE).await, last_plan(bench).await), (rows + 5, Some(SMALL_FILES + 1)));
}

pub async fn sweep_deletes_files_that_nobody_names(bench: &impl LakeBench) {
    let (named, committed) = (put(bench, "named", 1).await, put(bench, "committed", 2).await);
    for lost in ["lost-1", "lost-2"] {
        put(bench, lost, 1).await;
    }
    commit(bench, 1, &[committed]).await;
    let names = [named.path.clone()];
    let swept = bench.lake().sweep(TABLE, &names, Timestamp::LATEST).await.expect("sweep");
    assert_eq!(swept, 2, "the files that lost races");
    assert_eq!(bench.lake().sweep(TABLE, &names, Timestamp::LATEST).await.expect("sweep"), 0, "nothing is left");
    commit(bench, 2, &[named]).await;
    assert_eq!(bench.count_rows(TABLE).await, 3);
}

pub async fn sweep_keeps_committed_and_compacted_rows(bench: &impl LakeBench) {
    let rows = commit_small_files(bench).await;
    bench.lake().sweep(TABLE, &[], Timestamp::LATEST).await.expect("sweep");
    assert_eq!(bench.count_rows(TABLE).await, rows, "committed");
    compact_all(bench).await;
    bench.lake().sweep(TABLE, &[], Timestamp::LATEST).await.expect("sweep");
    assert_eq!(bench.count_rows(TABLE).await, rows, "compacted");
}

pub async fn sweep_keeps_files_written_since(bench: &impl LakeBench) {
    let young = put(bench, "young", 4).await;
    let swept = bench.lake().sweep(TABLE, &[], Timestamp::EARLIEST).await.expect("sweep");
    assert_eq!(swept, 0, "nothing is that old");
    commit(bench, 1, &[young]).await;
    assert_eq!(bench.count_rows(TABLE).await, 4);
}

const TABLE: TableName = TableName::Events;
const DATE: &str = "2026-01-31";
const SMALL_FILES: u64 = 12;
const LARGE: u64 = 64 << 20;

async fn put(bench: &impl LakeBench, name: &str, rows: usize) -> DataFile {
    bench.lake().put(TABLE, DATE, name, &mut once(Ok(bench.sample(TABLE, rows)))).await.expect("put")
}

async fn commit(bench: &impl LakeBench, plan: u64, files: &[DataFile]) {
    bench.lake().commit(TABLE, plan, files).await.expect("commit");
}

async fn last_plan(bench: &impl LakeBench) -> Option<u64> {
    bench.lake().last_plan(TABLE).await.expect("last plan")
}

/// One file a commit. Answers how many rows there are.
async fn commit_small_files(bench: &impl LakeBench) -> usize {
    let mut rows = 0;
    for plan in 1..=SMALL_FILES {
        let file = put(bench, &format!("small-{plan}"), plan as usize).await;
        commit(bench, plan, &[file]).await;
        rows += plan as usize;
    }
    rows
}

/// Answers how many files were replaced.
async fn compact_all(bench: &impl LakeBench) -> u64 {
    let mut removed = 0;
    for _ in 0..100 {
        match bench.lake().compact(TABLE, LARGE).await.expect("compact") {
            Some(done) => removed += done.files_removed,
            None => return removed,
        }
    }
    panic!("compaction finds no end");
}
