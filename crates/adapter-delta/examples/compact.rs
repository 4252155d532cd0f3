//! Compacts the tables of a lake, and says what memory and time that took (Linux):
//! `cargo run -p adapter-delta --example compact LAKE [FILES ROWS_IN_FILE ROW_BYTES]`
//!
//! With three numbers, it first lands so many files of refused rows, each row of half to all of those bytes.

#![expect(clippy::print_stdout, reason = "an example prints what it found")]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Instant;

use adapter_delta::DeltaLake;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use cdp_event::{Offset, PartitionId, Reason, Rejection, Sequence, Timestamp};
use cdp_lake::rows::{QuarantineRow, QuarantineRows};
use cdp_ports::{Lake, Landing, TableName};
use futures::executor::block_on;

const TARGET_BYTES: u64 = 128 << 20;
/// A date that has ended is compacted whole; the other one makes it so.
const ENDED: &str = "2026-01-30";
const NEWEST: &str = "2026-01-31";

/// Few enough that a row becomes a fiftieth when it is compressed.
const PRODUCTS: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (lake, numbers) = arguments.split_first().ok_or("LAKE is missing")?;
    let lake = DeltaLake::open(Path::new(lake))?;
    let numbers = numbers.iter().map(|text| text.parse()).collect::<Result<Vec<usize>, _>>()?;
    match numbers[..] {
        [] => {}
        [files, rows, row_bytes] => land(&lake, files, rows, row_bytes)?,
        _ => return Err("FILES, ROWS_IN_FILE and ROW_BYTES come together".into()),
    }
    for table in TableName::ALL {
        compact(&lake, table)?;
    }
    Ok(())
}

fn compact(lake: &DeltaLake, table: TableName) -> Result<(), Box<dyn Error>> {
    forget_peak()?;
    let before = peak_mib()?;
    let started = Instant::now();
    let (mut files, mut rows) = (0, 0);
    while let Some(done) = block_on(lake.compact(table, TARGET_BYTES))? {
        files += done.files_removed;
        rows += done.rows;
    }
    let (took, peak) = (started.elapsed(), peak_mib()?);
    let newest = lake.newest(table)?;
    let bytes: u64 = newest.files.iter().map(|file| file.bytes).sum();
    println!(
        "{table}: {files} files of {rows} rows rewritten in {took:.1?}; {} files of {} MiB are left; peak {peak} MiB, {before} before",
        newest.files.len(),
        bytes >> 20,
    );
    Ok(())
}

fn land(lake: &DeltaLake, files: usize, rows: usize, row_bytes: usize) -> Result<(), Box<dyn Error>> {
    let plan = block_on(lake.last_plan(TableName::Quarantine))?.unwrap_or(0);
    for (file, plan) in (0..=files).zip(plan + 1..) {
        let date = if file < files { ENDED } else { NEWEST };
        // One at a time: landing them shall need no memory.
        let mut batches = (0..rows).map(|row| refused(file * rows + row, row_bytes));
        let landed = block_on(lake.put(TableName::Quarantine, date, &format!("large-{plan}"), &mut batches))?;
        block_on(lake.commit(TableName::Quarantine, plan, &[landed]))?;
    }
    Ok(())
}

fn refused(number: usize, row_bytes: usize) -> Result<RecordBatch, ArrowError> {
    let bytes = body(number, row_bytes / 2 + number * 7919 % (row_bytes / 2).max(1));
    let rejection = Rejection::new(Reason::TooLarge, format!("the event has {} bytes", bytes.len()));
    let row = QuarantineRow {
        received_at: Timestamp::from_ms(1_769_731_200_000 + number as i64),
        source: "web",
        rejection: &rejection,
        bytes: &bytes,
        request: None,
    };
    let mut rows = QuarantineRows::default();
    rows.push(&PartitionId::new("shardId-000000000000"), Offset::new(Sequence::from(number as u64), 0), &row);
    rows.finish()
}

/// JSON as producers send it: most of it repeats.
fn body(number: usize, bytes: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(bytes);
    let mut item = number;
    while body.len() < bytes {
        item = item.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let product = (item >> 33) % PRODUCTS;
        body.extend_from_slice(format!(r#"{{"product_id":"{product}","quantity":1,"category":"shoes"}},"#).as_bytes());
    }
    body.truncate(bytes);
    body
}

/// From here on, the kernel counts the peak anew.
fn forget_peak() -> std::io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}

fn peak_mib() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("the kernel tells no peak")?;
    Ok(peak.trim().trim_end_matches(" kB").parse::<u64>()? >> 10)
}
