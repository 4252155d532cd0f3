//! The log: `Stream`, and what the Kinesis API and the workers need beyond it.

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use cdp_event::{PartitionId, Record, Sequence, Timestamp};
use cdp_ports::{FaultKind, NewRecord, PortError, PortResult, Stream};
use tokio::sync::watch;

use crate::LogError;
use crate::append::Queue;
use crate::flush::{Flusher, Progress};
use crate::folder::Folder;
use crate::frame::MAX_RECORD_BYTES;
use crate::hash::{HashSpace, hash_of};
use crate::shard::Shard;

/// About as long as a sync takes.
const RETRY_AFTER: Duration = Duration::from_millis(20);

#[derive(Clone, Debug)]
pub struct LogOptions {
    /// A segment that has so many bytes is followed by another. A disk is given back in pieces of this size.
    pub segment_bytes: u64,
    /// How long records are promised to be kept. The log only tells it; [`EmbeddedLog::trim`] is for its owner to call.
    pub retention: Duration,
    /// With more than this waiting to be written, `append` answers `Busy`.
    pub max_waiting_bytes: usize,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { segment_bytes: 128 << 20, retention: Duration::from_secs(24 * 60 * 60), max_waiting_bytes: 64 << 20 }
    }
}

pub struct EmbeddedLog {
    shards: Arc<Vec<Shard>>,
    hashes: HashSpace,
    queue: Arc<Queue>,
    progress: Arc<watch::Sender<Progress>>,
    flusher: Option<JoinHandle<()>>,
    retention: Duration,
    folder: Folder,
}

impl EmbeddedLog {
    /// Opens the log in `dir`, or makes it with `shards` shards. Reads the last segment of each shard.
    pub fn open(dir: impl AsRef<Path>, shards: usize, options: LogOptions) -> Result<Self, LogError> {
        let folder = Folder::open(dir.as_ref(), shards)?;
        let open = |at| {
            let id = PartitionId::new(format!("shardId-{at:012}"));
            let dir = folder.shard_dir(&id);
            Shard::open(id, dir)
        };
        let (opened, files): (Vec<_>, Vec<_>) =
            (0..shards).map(open).collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        let queue = Arc::new(Queue::new(opened.iter().map(Shard::tip), options.max_waiting_bytes));
        let (shards, progress) = (Arc::new(opened), Arc::new(watch::Sender::new(Progress::default())));
        let hashes = HashSpace::split(shards.len());
        let ends = (Arc::clone(&queue), Arc::clone(&shards), Arc::clone(&progress));
        let flusher = Flusher::new(ends.0, ends.1, files, ends.2, options.segment_bytes);
        let flusher = thread::Builder::new().name("log-flusher".to_owned()).spawn(|| flusher.run());
        let flusher = Some(flusher.map_err(LogError::io("start the thread that writes", &folder.dir))?);
        Ok(Self { shards, hashes, queue, progress, flusher, retention: options.retention, folder })
    }

    pub fn created_at(&self) -> Timestamp {
        self.folder.created_at
    }

    pub fn retention(&self) -> Duration {
        self.retention
    }

    /// The hash keys that belong to the partition, both ends included.
    pub fn hash_range(&self, partition: &PartitionId) -> PortResult<(u128, u128)> {
        let found = self.shards.iter().position(|shard| shard.id == *partition).and_then(|at| self.hashes.range(at));
        found.ok_or_else(|| missing("describe", partition))
    }

    /// The sequence number of the next record, so how many the partition ever took. All below it are durable.
    pub fn tip(&self, partition: &PartitionId) -> PortResult<Sequence> {
        Ok(Sequence::from(self.shard("describe", partition)?.tip()))
    }

    /// The sequence number of the oldest record kept; with none, the one that the next will have.
    pub fn oldest(&self, partition: &PartitionId) -> PortResult<Sequence> {
        Ok(Sequence::from(self.shard("describe", partition)?.oldest()))
    }

    /// Blocks the thread until the partition has a record after `after`. False: it had none in time.
    pub fn wait(&self, partition: &PartitionId, after: Option<Sequence>, timeout: Duration) -> PortResult<bool> {
        Ok(self.shard("wait for", partition)?.wait(after, timeout))
    }

    /// Deletes whole segments whose records are all below `below` and arrived before `older_than`; answers how many
    /// records went. The segment that is being written stays.
    pub fn trim(&self, partition: &PartitionId, below: Sequence, older_than: Timestamp) -> PortResult<u64> {
        let trimmed = self.shard("trim", partition)?.trim(below, older_than);
        trimmed.map_err(|error| error.at_port(format!("trim {partition} below {below}")))
    }

    fn shard(&self, action: &str, partition: &PartitionId) -> PortResult<&Shard> {
        self.shards.iter().find(|shard| shard.id == *partition).ok_or_else(|| missing(action, partition))
    }

    fn shard_of(&self, record: &NewRecord) -> usize {
        self.hashes.shard_of(record.explicit_hash_key.unwrap_or_else(|| hash_of(&record.partition_key)))
    }

    async fn durable(&self, batch: u64) -> Result<(), Arc<str>> {
        let mut progress = self.progress.subscribe();
        let reached = progress.wait_for(|progress| progress.batches > batch || progress.ended.is_some()).await;
        match reached {
            Ok(progress) if progress.batches > batch => Ok(()),
            Ok(progress) => Err(progress.ended.clone().unwrap_or_default()),
            Err(closed) => Err(Arc::from(closed.to_string())),
        }
    }
}

/// Writes what waits.
impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(flusher) = self.flusher.take()
            && flusher.join().is_err()
        {
            tracing::error!("the thread that writes the log panicked");
        }
    }
}

impl Stream for EmbeddedLog {
    async fn partitions(&self) -> PortResult<Vec<PartitionId>> {
        Ok(self.shards.iter().map(|shard| shard.id.clone()).collect())
    }

    async fn append(&self, records: Vec<NewRecord>, now: Timestamp) -> PortResult<Vec<(PartitionId, Sequence)>> {
        if records.is_empty() {
            return Ok(vec![]);
        }
        let action = || format!("append {} records to the log in {}", records.len(), self.folder.dir.display());
        if let Some(why) = records.iter().find_map(refusal) {
            return Err(PortError::because(FaultKind::Refused, action(), why));
        }
        if let Some(why) = &self.progress.borrow().ended {
            return Err(PortError::because(FaultKind::Broken, action(), why.to_string()));
        }
        let shards: Vec<usize> = records.iter().map(|record| self.shard_of(record)).collect();
        let Some(ticket) = self.queue.push(&records, &shards, now) else {
            let why = "more waits to be written than the disk takes";
            let busy = PortError::because(FaultKind::Busy, action(), why);
            return Err(PortError { retry_after: Some(RETRY_AFTER), ..busy });
        };
        self.durable(ticket.batch).await.map_err(|why| {
            PortError::because(FaultKind::Broken, action(), format!("{why}; the log must be opened again"))
        })?;
        let id = |shard: usize| self.shards.get(shard).map(|shard| shard.id.clone());
        Ok(shards.into_iter().zip(ticket.sequences).filter_map(|(at, sequence)| Some((id(at)?, sequence))).collect())
    }

    async fn read(
        &self,
        partition: &PartitionId,
        after: Option<Sequence>,
        max_records: usize,
        max_bytes: usize,
    ) -> PortResult<Vec<Record>> {
        let read = self.shard("read", partition)?.read(after, max_records, max_bytes);
        read.map_err(|error| error.at_port(format!("read {partition}")))
    }
}

fn missing(action: &str, partition: &PartitionId) -> PortError {
    PortError::new(FaultKind::Missing, format!("{action} partition {partition:?}"))
}

fn refusal(record: &NewRecord) -> Option<String> {
    if let Some(why) = record.refusal() {
        return Some(why);
    }
    let bytes = record.partition_key.len() + record.data.len();
    (bytes > MAX_RECORD_BYTES)
        .then(|| format!("a record has at most {MAX_RECORD_BYTES} bytes with its key, not {bytes}"))
}
