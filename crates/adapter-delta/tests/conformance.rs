//! The lake's contract, held against Delta tables in a folder.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod bench;

use adapter_delta::DeltaLake;
use arrow::record_batch::RecordBatch;
use cdp_ports::TableName;
use cdp_ports::conformance::lake::{self, LakeBench};
use futures::executor::block_on;

use bench::Bench;

impl LakeBench for Bench {
    type Lake = DeltaLake;

    fn lake(&self) -> &DeltaLake {
        &self.lake
    }

    fn sample(&self, table: TableName, count: usize) -> RecordBatch {
        bench::sample(table, count)
    }

    async fn count_rows(&self, table: TableName) -> usize {
        bench::read(&self.lake, table).iter().map(RecordBatch::num_rows).sum()
    }
}

#[test]
fn delta_keeps_the_lakes_contract() {
    block_on(lake::all(async || Bench::new()));
}
