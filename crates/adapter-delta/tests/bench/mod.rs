//! A lake in a place of its own, rows for its tables, and a reader that trusts the log alone.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::fs;
use std::iter::once;
use std::path::PathBuf;
use std::sync::Arc;

use adapter_delta::DeltaLake;
use arrow::array::{ArrayRef, AsArray, new_null_array};
use arrow::array::{BinaryArray, Float64Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use cdp_lake::layout;
use cdp_ports::conformance::lake::LakeBench;
use cdp_ports::{DataFile, Lake, Landing, PortResult, TableName};
use futures::executor::block_on;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;

pub const DATE: &str = "2026-01-31";

/// `P`: the place, a folder as a rule.
pub struct Bench<P = TempDir> {
    pub place: P,
    pub lake: DeltaLake,
}

impl Bench {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let lake = DeltaLake::open(folder.path()).expect("an empty folder becomes a lake");
        Self { place: folder, lake }
    }

    /// As another process would.
    pub fn open_again(&self) -> DeltaLake {
        DeltaLake::open(self.place.path()).expect("a lake")
    }

    pub fn folder(&self, table: TableName) -> PathBuf {
        self.place.path().join(table.as_str())
    }

    /// The text of each commit of a table's log.
    pub fn commits(&self, table: TableName) -> BTreeMap<u64, String> {
        let log = fs::read_dir(self.folder(table).join("_delta_log")).expect("a log");
        let paths = log.map(|entry| entry.expect("an entry").path());
        let commits = paths.filter_map(|path| Some((version(path.to_str()?)?, path)));
        commits.map(|(version, path)| (version, fs::read_to_string(path).expect("text"))).collect()
    }
}

/// Of a commit, by the path of its file.
pub fn version(path: &str) -> Option<u64> {
    path.strip_suffix(".json")?.rsplit('/').next()?.parse().ok()
}

impl<P> Bench<P> {
    pub fn put(&self, table: TableName, name: &str, count: usize) -> DataFile {
        block_on(self.lake.put(table, DATE, name, &mut once(Ok(sample(table, count))))).expect("put")
    }

    pub fn commit(&self, table: TableName, plan: u64, files: &[DataFile]) -> PortResult<()> {
        block_on(self.lake.commit(table, plan, files))
    }
}

impl<P> LakeBench for Bench<P> {
    type Lake = DeltaLake;

    fn lake(&self) -> &DeltaLake {
        &self.lake
    }

    fn sample(&self, table: TableName, count: usize) -> RecordBatch {
        sample(table, count)
    }

    async fn count_rows(&self, table: TableName) -> usize {
        read(&self.lake, table).iter().map(RecordBatch::num_rows).sum()
    }
}

pub fn columns(table: TableName) -> SchemaRef {
    match table {
        TableName::Events => layout::EVENTS.clone(),
        TableName::Quarantine => layout::QUARANTINE.clone(),
        TableName::Identity => layout::IDENTITY.clone(),
        TableName::Profiles => layout::PROFILES.clone(),
    }
}

/// `count` rows that differ; what may be null is.
pub fn sample(table: TableName, count: usize) -> RecordBatch {
    let schema = columns(table);
    let arrays = schema.fields().iter().map(|f| column(f.data_type(), f.is_nullable(), count)).collect();
    RecordBatch::try_new(schema, arrays).expect("columns of one length")
}

fn column(kind: &DataType, nullable: bool, count: usize) -> ArrayRef {
    match kind {
        _ if nullable => new_null_array(kind, count),
        DataType::Utf8 => Arc::new(StringArray::from_iter_values((0..count).map(|n| format!("v{n}")))),
        DataType::Binary => Arc::new(BinaryArray::from_iter_values((0..count).map(|n| n.to_le_bytes()))),
        DataType::Int32 => Arc::new(Int32Array::from_iter_values(0..count as i32)),
        DataType::Int64 => Arc::new(Int64Array::from_iter_values(0..count as i64)),
        DataType::Float64 => Arc::new(Float64Array::from_iter_values((0..count).map(|n| n as f64))),
        DataType::Timestamp(_, _) => {
            let moments = (0..count as i64).map(|n| 1_760_000_000_000_000 + n);
            Arc::new(TimestampMicrosecondArray::from_iter_values(moments).with_timezone("UTC"))
        }
        other => panic!("no sample for {other}"),
    }
}

/// All rows of a table's newest version.
pub fn read(lake: &DeltaLake, table: TableName) -> Vec<RecordBatch> {
    let newest = lake.newest(table).expect("a readable log");
    let batches = newest.files.iter().flat_map(|file| {
        let opened = lake.data_file(table, &file.path).expect("a named file is there");
        assert_eq!(opened.metadata().expect("a file").len(), file.bytes, "{}", file.path);
        let reader = ParquetRecordBatchReaderBuilder::try_new(opened).expect("Parquet");
        let rows: Vec<RecordBatch> = reader.build().expect("readable").map(|rows| rows.expect("readable")).collect();
        assert_eq!(rows.iter().map(|rows| rows.num_rows() as u64).sum::<u64>(), file.rows, "{}", file.path);
        rows
    });
    batches.collect()
}

/// The values of a text column, sorted.
pub fn texts(rows: &[RecordBatch], column: &str) -> Vec<String> {
    let column = |rows: &RecordBatch| Arc::clone(rows.column_by_name(column).expect("a column"));
    let columns = rows.iter().map(column);
    let values =
        |column: ArrayRef| column.as_string::<i32>().iter().map(|text| text.unwrap_or("").to_owned()).collect();
    let mut values: Vec<String> = columns.flat_map::<Vec<String>, _>(values).collect();
    values.sort();
    values
}
