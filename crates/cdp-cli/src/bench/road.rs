//! The whole road, as `cdp up` runs it: records into the durable log, from there through ingest into profiles and Parquet
//! files, and into the Delta logs.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use adapter_log::{EmbeddedLog, LogOptions};
use bytes::Bytes;
use cdp_event::{PartitionId, Record};
use cdp_ports::{Clock, FaultKind, NewRecord, Stream};
use clap::Args;
use futures::executor::block_on;
use indicatif::ProgressBar;

use super::measure::{Usage, thread_cpu_time};
use super::report::{Output, Report};
use super::source::Events;
use super::stores::{self, StoresWorker, Work, joined};
use crate::fault::Fault;
use crate::progress;
use adapter_machine::Machine;

/// Measures the road from the log to the tables, stage by stage.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cdp bench road --events labelled/events.jsonl --json road.json\n\n\
    A stage's seconds are those of all workers, waits for a core, a lock or the disk included. CPU is the whole process's.")]
pub struct Road {
    #[command(flatten)]
    events: Events,
    /// Of the stream; each has a worker of its own.
    #[arg(long, default_value_t = 2)]
    shards: usize,
    /// Records of one batch, at most.
    #[arg(long, default_value_t = 32_000)]
    batch: usize,
    /// Where log, state and lake go, and stay; a temporary folder otherwise.
    #[arg(long)]
    dir: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

const APPEND: usize = 500;
const BATCH_BYTES: usize = 96 << 20;

/// What the producer did.
struct Produced {
    events: u64,
    append: Duration,
    cpu: Duration,
}

impl Road {
    pub fn run(self) -> Result<(), Fault> {
        let folder = tempfile::tempdir()?;
        let dir = self.dir.as_deref().unwrap_or(folder.path());
        let log = EmbeddedLog::open(dir.join("log"), self.shards, LogOptions::default()).map_err(Fault::unavailable)?;
        let ingest = stores::open(dir)?;
        let shards = block_on(log.partitions()).map_err(Fault::unavailable)?;
        let (began, usage) = (Instant::now(), Usage::of_this_process());
        let (sent, bar) = (AtomicBool::new(false), progress::counting("events"));
        let (produced, work) = thread::scope(|scope| {
            let producer = scope.spawn(|| {
                let outcome = self.produce(&log);
                sent.store(true, Ordering::Release);
                outcome
            });
            let work = stores::run(&ingest, &shards, |worker, at| self.work(&log, worker, &shards[at], &sent, &bar))?;
            Ok::<_, Fault>((joined(producer)?, work))
        })?;
        bar.finish_and_clear();
        self.report(&produced, &work, began.elapsed(), &usage).publish(&self.output)
    }

    /// Sends the events as they are read.
    fn produce(&self, log: &EmbeddedLog) -> Result<Produced, Fault> {
        let mut produced = Produced { events: 0, append: Duration::ZERO, cpu: Duration::ZERO };
        let mut events = self.events.each()?;
        loop {
            let some: Vec<Bytes> = events.by_ref().take(APPEND).collect::<Result<_, _>>()?;
            if some.is_empty() {
                produced.cpu = thread_cpu_time().unwrap_or_default();
                return Ok(produced);
            }
            let began = Instant::now();
            append(log, &some)?;
            produced.append += began.elapsed();
            produced.events += some.len() as u64;
        }
    }

    /// Takes a shard in until the producer has ended and nothing is left.
    fn work(
        &self,
        log: &EmbeddedLog,
        mut worker: StoresWorker<'_>,
        shard: &PartitionId,
        sent: &AtomicBool,
        bar: &ProgressBar,
    ) -> Result<Work, Fault> {
        let mut work = Work::default();
        let (mut batch, mut bytes): (Vec<Record>, usize) = (vec![], 0);
        loop {
            let ended = sent.load(Ordering::Acquire);
            let after = batch.last().map(|record| record.sequence).or(worker.checkpoint().done);
            let began = Instant::now();
            let more = log.read(shard, after, self.batch - batch.len(), BATCH_BYTES.saturating_sub(bytes));
            let more = block_on(more).map_err(Fault::unavailable)?;
            bytes += more.iter().map(|record| record.data.len()).sum::<usize>();
            batch.extend(more);
            work.read += began.elapsed();
            if batch.is_empty() && ended {
                return Ok(work);
            }
            if batch.len() < self.batch / 4 && bytes < BATCH_BYTES && !ended {
                let last = batch.last().map(|record| record.sequence).or(after);
                log.wait(shard, last, Duration::from_millis(20)).map_err(Fault::unavailable)?;
                continue;
            }
            let report = block_on(worker.take_records(&batch, "bench")).map_err(Fault::unavailable)?;
            work.add_batch(&report);
            bar.inc(report.counts.records);
            batch.clear();
            bytes = 0;
        }
    }

    fn report(&self, produced: &Produced, work: &Work, wall: Duration, usage: &Usage) -> Report {
        let mut report = Report::of("road");
        self.events.tell(&mut report);
        report.parameter("shards", self.shards);
        report.parameter("batch", self.batch);
        report.count("events", produced.events);
        work.tell_counts(&mut report);
        report.seconds("wall", wall);
        report.rate("events_per_second", produced.events, wall);
        report.peak_memory("peak_memory", usage);
        report.cpu("cpu", usage, produced.events);
        report.seconds("producer_cpu", produced.cpu);
        report.seconds("workers_cpu", work.workers_cpu);
        report.seconds("tables_cpu", work.tables_cpu);
        let mut stages = vec![("append", produced.append), ("read", work.read)];
        stages.extend(work.ingest_stages());
        stages.push(("commit", work.commit));
        report.parts(&stages);
        report
    }
}

fn append(log: &EmbeddedLog, events: &[Bytes]) -> Result<(), Fault> {
    let records: Vec<NewRecord> = events.iter().map(record).collect();
    loop {
        match block_on(log.append(records.clone(), Machine.now())) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind == FaultKind::Busy => thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(Fault::unavailable(error)),
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
