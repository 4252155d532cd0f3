//! The whole road, as `cdp up` runs it: records into the durable log, from there through ingest into profiles and Parquet
//! files, and into the Delta logs. CPU seconds are those of the whole process.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use adapter_delta::DeltaLake;
use adapter_fjall::FjallState;
use adapter_log::{EmbeddedLog, LogOptions};
use bytes::Bytes;
use cdp_app::{Committer, Counts, Ingest, StageTimes};
use cdp_event::PartitionId;
use cdp_identity::Rules;
use cdp_ports::{Clock, FaultKind, NewRecord, Stream, TableName};
use clap::Args;
use futures::executor::block_on;

use super::measure::{cpu_time, peak_memory};
use super::source::each_line;
use super::world::BenchWorld;
use crate::fault::Fault;
use crate::output::{Format, Rows};

/// Measures the road from the log to the tables.
///
/// Example: cdp bench road --events labelled/events.jsonl
#[derive(Debug, Args)]
pub struct Road {
    /// One event a line.
    #[arg(long)]
    events: PathBuf,
    #[arg(long, default_value_t = 2)]
    shards: usize,
    /// Records of one batch, at most.
    #[arg(long, default_value_t = 32_000)]
    batch: usize,
    /// Where the deployment goes, and stays; a temporary folder otherwise.
    #[arg(long)]
    dir: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

const APPEND: usize = 500;
const BATCH_BYTES: usize = 96 << 20;

impl Road {
    pub fn run(self) -> Result<(), Fault> {
        let folder = tempfile::tempdir()?;
        let dir = self.dir.clone().unwrap_or_else(|| folder.path().to_owned());
        let log = EmbeddedLog::open(dir.join("log"), self.shards, LogOptions::default()).map_err(Fault::unavailable)?;
        let ingest = Ingest {
            state: FjallState::open(dir.join("state"), 512 << 20).map_err(Fault::unavailable)?,
            lake: DeltaLake::open(&dir.join("lake")).map_err(Fault::unavailable)?,
            clock: BenchWorld,
            rules: Rules::default(),
        };
        let (began, cpu) = (Instant::now(), cpu_time());
        let (sent, working) = (AtomicBool::new(false), AtomicUsize::new(self.shards));
        let outcome = thread::scope(|scope| {
            let sent = &sent;
            let producer = scope.spawn(|| {
                let outcome = produce(&log, &self.events);
                sent.store(true, Ordering::Release);
                outcome
            });
            let partitions = block_on(log.partitions()).map_err(Fault::unavailable)?;
            let workers: Vec<_> = partitions
                .into_iter()
                .map(|partition| {
                    scope.spawn(|| {
                        let outcome = self.work(&log, &ingest, partition, sent);
                        working.fetch_sub(1, Ordering::Release);
                        outcome
                    })
                })
                .collect();
            let committer = scope.spawn(|| commit(&ingest, &working));
            let events = producer.join().map_err(|_| Fault::unavailable("the producer panicked"))??;
            let mut total = (events, Counts::default(), StageTimes::default());
            for worker in workers {
                let (counts, took) = worker.join().map_err(|_| Fault::unavailable("a worker panicked"))??;
                total.1 += counts;
                total.2.add(&took);
            }
            committer.join().map_err(|_| Fault::unavailable("the committer panicked"))??;
            Ok::<_, Fault>(total)
        });
        let (count, counts, took) = outcome?;
        report(&self, count, counts, took, began.elapsed(), cpu_time() - cpu)
    }

    /// Takes a partition in until the producer has ended and nothing is left.
    fn work(
        &self,
        log: &EmbeddedLog,
        ingest: &Ingest<FjallState, DeltaLake, BenchWorld>,
        partition: PartitionId,
        sent: &AtomicBool,
    ) -> Result<(Counts, StageTimes), Fault> {
        let mut worker = block_on(ingest.open(partition.clone())).map_err(Fault::unavailable)?;
        let mut took = StageTimes::default();
        loop {
            let ended = sent.load(Ordering::Acquire);
            let done = worker.checkpoint().done;
            let records = block_on(log.read(&partition, done, self.batch, BATCH_BYTES)).map_err(Fault::unavailable)?;
            if records.is_empty() && ended {
                return Ok((worker.checkpoint().counts, took));
            }
            if records.len() < self.batch / 4 && !ended {
                log.wait(&partition, records.last().map(|record| record.sequence).or(done), Duration::from_millis(20))
                    .map_err(Fault::unavailable)?;
                continue;
            }
            let report = block_on(worker.take_records(&records, "bench")).map_err(Fault::unavailable)?;
            took.add(&report.took);
        }
    }
}

/// Sends the file as it is read. Answers how many events it held.
fn produce(log: &EmbeddedLog, events: &Path) -> Result<usize, Fault> {
    let mut lines = each_line(events)?;
    let mut count = 0;
    loop {
        let some: Vec<Bytes> = lines.by_ref().take(APPEND).collect::<Result<_, _>>()?;
        if some.is_empty() {
            return Ok(count);
        }
        count += some.len();
        let records: Vec<NewRecord> = some.iter().map(record).collect();
        loop {
            match block_on(log.append(records.clone(), BenchWorld.now())) {
                Ok(_) => break,
                Err(error) if error.kind == FaultKind::Busy => thread::sleep(Duration::from_millis(5)),
                Err(error) => return Err(Fault::unavailable(error)),
            }
        }
    }
}

/// The key is the device, as the HTTP API chooses it: one device's events stay in order.
fn record(event: &Bytes) -> NewRecord {
    const NAME: &[u8] = b"\"anonymousId\":\"";
    let value = memchr::memmem::find(event, NAME).and_then(|at| event.get(at + NAME.len()..));
    let device = value.and_then(|value| std::str::from_utf8(value.get(..memchr::memchr(b'"', value)?)?).ok());
    let partition_key = device.filter(|device| !device.is_empty()).unwrap_or("none").to_owned();
    NewRecord { partition_key, explicit_hash_key: None, data: event.clone() }
}

fn commit(ingest: &Ingest<FjallState, DeltaLake, BenchWorld>, working: &AtomicUsize) -> Result<(), Fault> {
    loop {
        let last = working.load(Ordering::Acquire) == 0;
        for table in TableName::ALL {
            let committer = Committer { state: &ingest.state, lake: &ingest.lake, table };
            block_on(committer.drain()).map_err(Fault::unavailable)?;
        }
        if last {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(500));
    }
}

fn report(
    road: &Road,
    events: usize,
    counts: Counts,
    took: StageTimes,
    wall: Duration,
    cpu: Duration,
) -> Result<(), Fault> {
    let million = events as f64 / 1e6;
    let mut rows = Rows::new(&["figure", "value", "unit"]);
    let mut push = |figure: &str, value: f64, unit: &str| {
        rows.push([figure.into(), serde_json::json!((value * 100.0).round() / 100.0), unit.into()]);
    };
    push("events", events as f64, "");
    push("accepted", counts.accepted as f64, "");
    push("quarantined", counts.quarantined as f64, "");
    push("duplicates", counts.duplicates as f64, "");
    push("wall", wall.as_secs_f64(), "s");
    push("events a second", events as f64 / wall.as_secs_f64(), "1/s");
    push("cpu a million", cpu.as_secs_f64() / million, "s");
    push("decode and validate, a million", took.decode.as_secs_f64() / million, "s of a worker");
    push("resolve, a million", took.resolve.as_secs_f64() / million, "s of a worker");
    push("apply, a million", took.apply.as_secs_f64() / million, "s of a worker");
    push("land, a million", took.land.as_secs_f64() / million, "s of a worker");
    push("checkpoint, a million", took.checkpoint.as_secs_f64() / million, "s of a worker");
    push("peak memory", peak_memory() as f64 / 1e6, "MB");
    Ok(rows.print(road.format)?)
}
