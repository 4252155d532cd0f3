//! The lake's contracts, held against Delta tables in a folder and in a bucket.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod bench;
#[path = "bench/bucket.rs"]
mod bucket;

use std::sync::Arc;

use adapter_delta::{DeltaLake, DeltaReader};
use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
use cdp_event::Timestamp;
use cdp_ports::TableName;
use cdp_ports::conformance::lake;
use cdp_ports::conformance::lake_reader::{self, ReaderBench};
use futures::executor::block_on;

use bench::{Bench, sample};

#[test]
fn delta_in_a_folder_keeps_the_lakes_contract() {
    block_on(lake::all(async || Bench::new()));
}

#[test]
fn delta_in_a_bucket_keeps_the_lakes_contract() {
    block_on(lake::all(async || Bench::in_memory()));
}

/// A lake, and another process that reads it.
struct Read<P> {
    bench: Bench<P>,
    reader: DeltaReader,
}

impl<P> Read<P> {
    fn by(bench: Bench<P>, other: DeltaLake) -> Self {
        Self { bench, reader: DeltaReader::of(Arc::new(other)) }
    }
}

impl<P> ReaderBench for Read<P> {
    type Lake = DeltaLake;
    type Reader = DeltaReader;

    fn lake(&self) -> &DeltaLake {
        &self.bench.lake
    }

    fn reader(&self) -> &DeltaReader {
        &self.reader
    }

    fn received_at(&self, moments: &[Timestamp]) -> RecordBatch {
        let rows = sample(TableName::Quarantine, moments.len());
        let moments = TimestampMicrosecondArray::from_iter_values(moments.iter().map(|at| at.as_ms() * 1000));
        let moments: ArrayRef = Arc::new(moments.with_timezone("UTC"));
        let at = rows.schema().index_of("received_at").expect("a column");
        let columns =
            rows.columns().iter().enumerate().map(|(n, column)| if n == at { &moments } else { column }.clone());
        RecordBatch::try_new(rows.schema(), columns.collect()).expect("columns of one length")
    }
}

#[test]
fn delta_in_a_folder_keeps_the_readers_contract() {
    let read = || {
        let bench = Bench::new();
        let other = bench.open_again();
        Read::by(bench, other)
    };
    block_on(lake_reader::all(async || read()));
}

#[test]
fn delta_in_a_bucket_keeps_the_readers_contract() {
    let read = || {
        let bench = Bench::in_memory();
        let other = bench.open_again();
        Read::by(bench, other)
    };
    block_on(lake_reader::all(async || read()));
}
