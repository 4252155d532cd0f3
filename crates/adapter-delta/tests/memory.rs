//! A compaction reads and writes as it goes: it needs less memory than its rows, by far.
#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod bench;

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use cdp_ports::{Lake, Landing, TableName};
use futures::executor::block_on;

use bench::{Bench, DATE, sample};

const TABLE: TableName = TableName::Events;
const FILES: u64 = 48;
const ROWS: usize = 1000;
const TEXT_BYTES: usize = 4096;

/// The most memory that this process has had, as the kernel counts it.
fn peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("the kernel's file");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    peak.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// Rows whose text is large, and small when it is compressed.
fn rows(file: u64) -> RecordBatch {
    let rows = sample(TABLE, ROWS);
    let text = |row| format!("{file}-{row}-").repeat(TEXT_BYTES / 8);
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..ROWS).map(text)));
    let at = rows.schema().index_of("properties").expect("a column");
    let columns = rows.columns().iter().enumerate().map(|(n, column)| if n == at { &texts } else { column }.clone());
    RecordBatch::try_new(rows.schema(), columns.collect()).expect("columns of one length")
}

#[test]
fn a_compaction_needs_little_memory() {
    let bench = Bench::new();
    let mut bytes = 0;
    for plan in 1..=FILES {
        let rows = rows(plan);
        bytes += rows.get_array_memory_size() as u64;
        let file = block_on(bench.lake.put(TABLE, DATE, &plan.to_string(), &mut std::iter::once(Ok(rows))));
        bench.commit(TABLE, plan, &[file.expect("put")]).expect("commit");
    }
    let before = peak_bytes();
    let done = block_on(bench.lake.compact(TABLE, 128 << 20)).expect("compact").expect("there are small files");
    assert_eq!(done.files_removed, FILES);
    let needed = peak_bytes() - before;
    assert!(needed < bytes / 4, "{needed} bytes for {bytes} bytes of rows");
}
