//! A lake in a folder of its own, rows for its tables, and a reader that trusts the log alone.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::fs::File;
use std::iter::once;
use std::sync::Arc;

use adapter_delta::DeltaLake;
use arrow::array::{ArrayRef, AsArray, new_null_array};
use arrow::array::{BinaryArray, Float64Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use cdp_lake::layout;
use cdp_ports::{DataFile, Lake, PortResult, TableName};
use futures::executor::block_on;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;

pub const DATE: &str = "2026-01-31";

pub struct Bench {
    pub folder: TempDir,
    pub lake: DeltaLake,
}

impl Bench {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let lake = DeltaLake::open(folder.path()).expect("an empty folder becomes a lake");
        Self { folder, lake }
    }

    /// As another process would.
    pub fn open_again(&self) -> DeltaLake {
        DeltaLake::open(self.folder.path()).expect("a lake")
    }

    pub fn put(&self, table: TableName, name: &str, count: usize) -> DataFile {
        block_on(self.lake.put(table, DATE, name, &mut once(Ok(sample(table, count))))).expect("put")
    }

    pub fn commit(&self, table: TableName, plan: u64, files: &[DataFile]) -> PortResult<()> {
        block_on(self.lake.commit(table, plan, files))
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
        let path = lake.table_root(table).join(&file.path);
        assert_eq!(path.metadata().expect("a named file is there").len(), file.bytes, "{path:?}");
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).expect("a file")).expect("Parquet");
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
