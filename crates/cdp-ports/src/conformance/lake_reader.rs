//! What [`LakeReader`] promises.

use std::iter::once;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use cdp_event::Timestamp;

use super::{assert_fault, run_each};
use crate::{FaultKind, Lake, LakeFile, LakeReader, Landing, TableName};

/// A lake that is written and read, and what the suite can't know of it: what rows its tables take.
pub trait ReaderBench {
    type Lake: Lake;
    type Reader: LakeReader;

    fn lake(&self) -> &Self::Lake;

    fn reader(&self) -> &Self::Reader;

    /// Rows of `quarantine` that were received at these moments.
    fn received_at(&self, moments: &[Timestamp]) -> RecordBatch;
}

/// `make`: empty tables.
pub async fn all<B: ReaderBench>(make: impl AsyncFn() -> B) {
    run_each!(make:
        an_empty_table_has_no_files,
        files_are_listed_once_they_are_committed,
        bounds_hold_all_moments_of_a_file,
        rows_come_in_the_order_of_the_file,
        rows_are_chosen_by_their_numbers,
        columns_come_in_the_order_asked_and_those_that_are_not_there_are_null,
        compaction_moves_each_row_once,
        replaced_files_are_read_until_they_are_swept,
        a_file_that_is_not_there_is_missing,
    );
}

pub async fn an_empty_table_has_no_files(bench: &impl ReaderBench) {
    for table in TableName::ALL {
        assert_eq!(bench.reader().files(table).await.expect("files"), [], "{table}");
    }
}

pub async fn files_are_listed_once_they_are_committed(bench: &impl ReaderBench) {
    let file = put(bench, "a", &[1, 2, 3]).await;
    assert_eq!(files(bench).await, []);
    bench.lake().commit(TABLE, 1, &[file]).await.expect("commit");
    let [listed] = &files(bench).await[..] else { panic!("one file was committed") };
    assert_eq!((listed.path.as_str(), listed.rows), ("date=2026-01-31/a.parquet", 3));
}

pub async fn bounds_hold_all_moments_of_a_file(bench: &impl ReaderBench) {
    commit(bench, 1, "a", &[5, 1, 9_999, 7]).await;
    let [file] = &files(bench).await[..] else { panic!("one file was committed") };
    let Some((first, last)) = file.received else { panic!("no bounds: {file:?}") };
    assert!(first <= Timestamp::from_ms(1) && Timestamp::from_ms(9_999) <= last, "{file:?}");
}

pub async fn rows_come_in_the_order_of_the_file(bench: &impl ReaderBench) {
    let moments: Vec<i64> = (0..20_000).map(|at| (at * 7919) % 20_000).collect();
    commit(bench, 1, "a", &moments).await;
    assert_eq!(read(bench, "date=2026-01-31/a.parquet", None).await, moments);
}

pub async fn rows_are_chosen_by_their_numbers(bench: &impl ReaderBench) {
    let moments: Vec<i64> = (0..20_000).collect();
    commit(bench, 1, "a", &moments).await;
    for chosen in [vec![], vec![0], vec![19_999], vec![3, 4, 5, 9_000, 19_998], (0..20_000).step_by(3).collect()] {
        let expected: Vec<i64> = chosen.iter().map(|number| *number as i64).collect();
        assert_eq!(read(bench, "date=2026-01-31/a.parquet", Some(&chosen)).await, expected);
    }
}

pub async fn columns_come_in_the_order_asked_and_those_that_are_not_there_are_null(bench: &impl ReaderBench) {
    commit(bench, 1, "a", &[1, 2]).await;
    let columns = Arc::new(Schema::new(vec![
        Field::new("of_a_later_release", DataType::Utf8, true),
        Field::new("source", DataType::Utf8, false),
        moment(),
    ]));
    let rows = bench.reader().rows(TABLE, "date=2026-01-31/a.parquet", &columns, None).await.expect("rows");
    for batch in rows {
        let batch = batch.expect("sound rows");
        assert_eq!(batch.schema(), columns);
        assert_eq!(batch.column(0).null_count(), batch.num_rows());
    }
}

pub async fn compaction_moves_each_row_once(bench: &impl ReaderBench) {
    for plan in 1..=12 {
        commit(bench, plan, &format!("small-{plan}"), &[plan as i64]).await;
    }
    let before = files(bench).await;
    while bench.lake().compact(TABLE, 64 << 20).await.expect("compact").is_some() {}
    let after = files(bench).await;
    assert!(after.len() < before.len(), "{after:?}");
    let mut moments = Vec::new();
    for file in &after {
        moments.extend(read(bench, &file.path, None).await);
    }
    moments.sort_unstable();
    assert_eq!(moments, (1..=12).collect::<Vec<_>>());
}

pub async fn replaced_files_are_read_until_they_are_swept(bench: &impl ReaderBench) {
    for plan in 1..=12 {
        commit(bench, plan, &format!("small-{plan}"), &[plan as i64]).await;
    }
    while bench.lake().compact(TABLE, 64 << 20).await.expect("compact").is_some() {}
    assert_eq!(read(bench, "date=2026-01-31/small-3.parquet", None).await, [3]);
}

pub async fn a_file_that_is_not_there_is_missing(bench: &impl ReaderBench) {
    let outcome = bench.reader().rows(TABLE, "date=2026-01-31/never.parquet", &columns(), None).await;
    assert_fault(outcome.map(drop), FaultKind::Missing, "a file that nobody wrote");
}

const TABLE: TableName = TableName::Quarantine;
const DATE: &str = "2026-01-31";

fn moment() -> Field {
    Field::new("received_at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false)
}

fn columns() -> SchemaRef {
    Arc::new(Schema::new(vec![moment()]))
}

async fn put(bench: &impl ReaderBench, name: &str, moments_ms: &[i64]) -> crate::DataFile {
    let moments: Vec<Timestamp> = moments_ms.iter().map(|ms| Timestamp::from_ms(*ms)).collect();
    bench.lake().put(TABLE, DATE, name, &mut once(Ok(bench.received_at(&moments)))).await.expect("put")
}

async fn commit(bench: &impl ReaderBench, plan: u64, name: &str, moments_ms: &[i64]) {
    let file = put(bench, name, moments_ms).await;
    bench.lake().commit(TABLE, plan, &[file]).await.expect("commit");
}

async fn files(bench: &impl ReaderBench) -> Vec<LakeFile> {
    bench.reader().files(TABLE).await.expect("files")
}

/// When the rows of a file were received, in ms.
async fn read(bench: &impl ReaderBench, path: &str, chosen: Option<&[u64]>) -> Vec<i64> {
    let batches = bench.reader().rows(TABLE, path, &columns(), chosen).await.expect("rows");
    let mut moments = Vec::new();
    for batch in batches {
        let batch = batch.expect("sound rows");
        let column = batch.column(0).as_primitive::<TimestampMicrosecondType>();
        moments.extend(column.values().iter().map(|us| us / 1000));
    }
    moments
}
