//! What an append and a read cost, in wall time and in CPU of all threads:
//! `cargo run --release -p adapter-log --example log_throughput [SHARDS]`

#![expect(clippy::print_stdout, reason = "an example prints what it found")]

use std::error::Error;
use std::time::{Duration, Instant};

use adapter_log::{EmbeddedLog, LogOptions};
use bytes::Bytes;
use cdp_event::Timestamp;
use cdp_ports::{FaultKind, NewRecord, PortError, Stream};
use futures::executor::block_on;
use futures::future::join_all;

const RECORDS: usize = 1_000_000;
const RECORD_BYTES: usize = 1200;
const NOW: Timestamp = Timestamp::from_ms(1_760_000_000_000);

fn main() -> Result<(), Box<dyn Error>> {
    let shards = std::env::args().nth(1).map_or(Ok(4), |text| text.parse())?;
    let dir = tempfile::tempdir()?;
    let log = EmbeddedLog::open(dir.path(), shards, LogOptions::default())?;
    println!("{:40} {:>10} {:>18} {:>9}", format!("{shards} shards"), "records/s", "CPU-s per million", "peak MB");

    measure("append 500 a call, 20 calls at once", RECORDS, || append_all(&log, RECORDS, 500, 20))?;
    measure("append 100 a call, 10 calls at once", RECORDS / 4, || append_all(&log, RECORDS / 4, 100, 10))?;
    measure("append 1 a call, 100 calls at once", RECORDS / 20, || append_all(&log, RECORDS / 20, 1, 100))?;
    measure("append 100 a call, alone", RECORDS / 50, || append_all(&log, RECORDS / 50, 100, 1))?;
    let stored = RECORDS + RECORDS / 4 + RECORDS / 20 + RECORDS / 50;
    measure("read 4 MB a call", stored, || read_all(&log, 4 << 20, stored))?;
    measure("read 64 KB a call", stored, || read_all(&log, 64 << 10, stored))?;
    drop(log);
    let started = Instant::now();
    let log = EmbeddedLog::open(dir.path(), shards, LogOptions::default())?;
    println!("opened again in {:?}", started.elapsed());
    measure("read 4 MB a call, not read before", stored, || read_all(&log, 4 << 20, stored))?;
    Ok(())
}

fn append_all(log: &EmbeddedLog, records: usize, a_call: usize, at_once: usize) -> Result<(), PortError> {
    let data = Bytes::from(vec![b'x'; RECORD_BYTES]);
    let record =
        |n: usize| NewRecord { partition_key: format!("user-{n}"), explicit_hash_key: None, data: data.clone() };
    let mut sent = 0;
    while sent < records {
        let calls = (0..at_once).map(|call| {
            let first = sent + call * a_call;
            log.append((first..first + a_call).map(record).collect(), NOW)
        });
        for outcome in block_on(join_all(calls)) {
            outcome.map(|places| sent += places.len())?;
        }
    }
    Ok(())
}

fn read_all(log: &EmbeddedLog, max_bytes: usize, expected: usize) -> Result<(), PortError> {
    let mut read = 0;
    for partition in block_on(log.partitions())? {
        let mut after = None;
        loop {
            let records = block_on(log.read(&partition, after, usize::MAX, max_bytes))?;
            let Some(last) = records.last() else { break };
            after = Some(last.sequence);
            read += records.len();
        }
    }
    if read == expected {
        Ok(())
    } else {
        Err(PortError::new(FaultKind::Broken, format!("read {read} of {expected} records")))
    }
}

fn measure(what: &str, records: usize, run: impl FnOnce() -> Result<(), PortError>) -> Result<(), PortError> {
    let (started, cpu) = (Instant::now(), cpu_time());
    run()?;
    let (took, cpu) = (started.elapsed(), cpu_time() - cpu);
    let (rate, cost) = (records as f64 / took.as_secs_f64(), cpu.as_secs_f64() / records as f64 * 1e6);
    println!("{what:40} {rate:>10.0} {cost:>18.2} {:>9}", peak_kilobytes() >> 10);
    Ok(())
}

/// User and system time of all threads, from Linux's accounts in ticks of 10 ms.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn peak_kilobytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
