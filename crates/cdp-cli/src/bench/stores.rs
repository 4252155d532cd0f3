//! The use cases over stores in a folder, as `cdp up` assembles them: a worker for each partition, and a thread that
//! commits what they land.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use adapter_delta::DeltaLake;
use adapter_fjall::FjallState;
use cdp_app::{BatchReport, Committer, Counts, Ingest, PartitionIngest, StageTimes};
use cdp_event::PartitionId;
use cdp_identity::Rules;
use cdp_ports::{Lake, TableName};
use futures::executor::block_on;

use super::measure::thread_cpu_time;
use super::report::Report;
use crate::fault::Fault;
use adapter_machine::Machine;

pub type StoresIngest = Ingest<FjallState, DeltaLake, Machine>;
pub type StoresWorker<'i> = PartitionIngest<'i, FjallState, DeltaLake, Machine>;

/// As `cdp up` does.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
const COMPACT_EVERY: Duration = Duration::from_secs(60);
const COMPACT_TO_BYTES: u64 = 128 << 20;

pub fn open(dir: &Path) -> Result<StoresIngest, Fault> {
    Ok(Ingest {
        state: FjallState::open(dir.join("state"), cdp_local::SERVING_BYTES).map_err(Fault::unavailable)?,
        lake: DeltaLake::open(&dir.join("lake")).map_err(Fault::unavailable)?,
        clock: Machine,
        rules: Rules::default(),
    })
}

/// What was done, and how long each thread was at it.
#[derive(Debug, Default)]
pub struct Work {
    pub counts: Counts,
    /// Waiting for the log is not reading.
    pub read: Duration,
    pub stages: StageTimes,
    pub commit: Duration,
    pub workers_cpu: Duration,
    pub tables_cpu: Duration,
}

impl Work {
    pub fn add_batch(&mut self, report: &BatchReport) {
        self.counts += report.counts;
        self.stages.add(&report.took);
    }

    fn add(&mut self, other: &Self) {
        self.counts += other.counts;
        self.read += other.read;
        self.stages.add(&other.stages);
        self.commit += other.commit;
        self.workers_cpu += other.workers_cpu;
        self.tables_cpu += other.tables_cpu;
    }

    pub fn tell_counts(&self, report: &mut Report) {
        report.count("accepted", self.counts.accepted);
        report.count("quarantined", self.counts.quarantined);
        report.count("duplicates", self.counts.duplicates);
    }

    /// The stages of ingest, in order.
    pub fn ingest_stages(&self) -> [(&'static str, Duration); 5] {
        let StageTimes { decode, resolve, apply, land, checkpoint } = self.stages;
        [("decode", decode), ("resolve", resolve), ("apply", apply), ("land", land), ("checkpoint", checkpoint)]
    }
}

/// Runs `work` for each partition by its place among them, each on a thread, and the committer until the last has ended.
pub fn run(
    ingest: &StoresIngest,
    partitions: &[PartitionId],
    work: impl Fn(StoresWorker<'_>, usize) -> Result<Work, Fault> + Sync,
) -> Result<Work, Fault> {
    let working = AtomicUsize::new(partitions.len());
    let one = |at: usize, partition: &PartitionId| {
        let worker = block_on(ingest.open(partition.clone())).map_err(Fault::unavailable)?;
        let done = work(worker, at)?;
        Ok(Work { workers_cpu: thread_cpu_time().unwrap_or_default(), ..done })
    };
    thread::scope(|scope| {
        let (one, working) = (&one, &working);
        let workers: Vec<_> = partitions
            .iter()
            .enumerate()
            .map(|(at, partition)| {
                scope.spawn(move || {
                    let _ends = OneLess(working);
                    one(at, partition)
                })
            })
            .collect();
        let tables = scope.spawn(|| keep_tables(ingest, working));
        let mut total = Work::default();
        for worker in workers {
            total.add(&joined(worker)?);
        }
        total.add(&joined(tables)?);
        Ok(total)
    })
}

struct OneLess<'w>(&'w AtomicUsize);

impl Drop for OneLess<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

pub fn joined<T>(thread: ScopedJoinHandle<'_, Result<T, Fault>>) -> Result<T, Fault> {
    thread.join().map_err(|_| Fault::unavailable("a thread of the bench panicked; its output says where"))?
}

fn keep_tables(ingest: &StoresIngest, working: &AtomicUsize) -> Result<Work, Fault> {
    let mut commit = Duration::ZERO;
    let mut compacted_at = Instant::now();
    loop {
        let is_last = working.load(Ordering::Acquire) == 0;
        let began = Instant::now();
        for table in TableName::ALL {
            let committer = Committer { state: &ingest.state, lake: &ingest.lake, table };
            block_on(committer.drain()).map_err(Fault::unavailable)?;
        }
        commit += began.elapsed();
        if is_last {
            let tables_cpu = thread_cpu_time().unwrap_or_default();
            return Ok(Work { commit, tables_cpu, ..Work::default() });
        }
        if compacted_at.elapsed() >= COMPACT_EVERY {
            for table in TableName::ALL {
                while block_on(ingest.lake.compact(table, COMPACT_TO_BYTES)).map_err(Fault::unavailable)?.is_some() {}
            }
            compacted_at = Instant::now();
        }
        thread::sleep(LOOK_AGAIN);
    }
}
