//! The stream in memory, with what the Kinesis API asks beyond records, and failing when told to.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use cdp_api::kinesis::{Shard, StreamDescription, StreamFacts};
use cdp_event::{PartitionId, Record, Sequence, Timestamp};
use cdp_ports::{FaultKind, NewRecord, PortError, PortResult, Stream};

const SHARDS: usize = 2;

pub struct MemoryStream {
    records: adapter_memory::MemoryStream,
    fault: Mutex<Option<FaultKind>>,
    /// Records below it are gone.
    oldest: AtomicU64,
    reads: AtomicUsize,
}

impl Default for MemoryStream {
    fn default() -> Self {
        Self {
            records: adapter_memory::MemoryStream::new(SHARDS),
            fault: Mutex::default(),
            oldest: AtomicU64::new(0),
            reads: AtomicUsize::new(0),
        }
    }
}

impl MemoryStream {
    /// From now on appends end in `fault`.
    pub fn fail(&self, fault: FaultKind) {
        *self.fault.lock().expect("no test panicked here") = Some(fault);
    }

    /// From now on records below `oldest` are gone, of every shard.
    pub fn forget_below(&self, oldest: u64) {
        self.oldest.store(oldest, Ordering::Relaxed);
    }

    /// How often it was read since this was asked last.
    pub fn take_reads(&self) -> usize {
        self.reads.swap(0, Ordering::Relaxed)
    }

    /// Shard by shard, oldest first.
    pub async fn all(&self) -> Vec<Record> {
        let mut all = Vec::new();
        for shard in self.partitions().await.expect("memory") {
            all.extend(self.read(&shard, None, usize::MAX, usize::MAX).await.expect("memory"));
        }
        all
    }
}

impl Stream for MemoryStream {
    async fn partitions(&self) -> PortResult<Vec<PartitionId>> {
        self.records.partitions().await
    }

    async fn append(&self, records: Vec<NewRecord>, now: Timestamp) -> PortResult<Vec<(PartitionId, Sequence)>> {
        if let Some(kind) = *self.fault.lock().expect("no test panicked here") {
            return Err(PortError { retry_after: Some(Duration::from_millis(2500)), ..PortError::new(kind, "append") });
        }
        self.records.append(records, now).await
    }

    async fn read(
        &self,
        partition: &PartitionId,
        after: Option<Sequence>,
        max_records: usize,
        max_bytes: usize,
    ) -> PortResult<Vec<Record>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let gone = self.oldest.load(Ordering::Relaxed).checked_sub(1).map(Sequence::from);
        self.records.read(partition, after.max(gone), max_records, max_bytes).await
    }
}

impl StreamDescription for MemoryStream {
    async fn describe(&self) -> PortResult<StreamFacts> {
        let width = u128::MAX / SHARDS as u128 + 1;
        let oldest = self.oldest.load(Ordering::Relaxed);
        let mut shards = Vec::new();
        for (at, id) in (0..).zip(self.partitions().await?) {
            let newest =
                self.records.read(&id, None, usize::MAX, usize::MAX).await?.last().map(|record| record.sequence);
            let hash_keys = (at * width, at * width + (width - 1));
            shards.push(Shard { id, hash_keys, oldest: Sequence::from(oldest), newest });
        }
        let created_at = Timestamp::from_ms(1_700_000_000_000);
        Ok(StreamFacts { created_at, retention: Duration::from_secs(24 * 3600), shards })
    }
}
