//! The stream in memory, with what the Kinesis API asks beyond records, and failing when told to.

use std::sync::Mutex;
use std::time::Duration;

use cdp_api::kinesis::{Shard, StreamDescription, StreamFacts};
use cdp_event::{PartitionId, Record, Sequence, Timestamp};
use cdp_ports::{FaultKind, NewRecord, PortError, PortResult, Stream};

const SHARDS: usize = 2;

pub struct MemoryStream {
    records: adapter_memory::MemoryStream,
    fault: Mutex<Option<FaultKind>>,
}

impl Default for MemoryStream {
    fn default() -> Self {
        Self { records: adapter_memory::MemoryStream::new(SHARDS), fault: Mutex::default() }
    }
}

impl MemoryStream {
    /// From now on appends end in `fault`.
    pub fn fail(&self, fault: FaultKind) {
        *self.fault.lock().expect("no test panicked here") = Some(fault);
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
        self.records.read(partition, after, max_records, max_bytes).await
    }
}

impl StreamDescription for MemoryStream {
    async fn describe(&self) -> PortResult<StreamFacts> {
        let width = u128::MAX / SHARDS as u128 + 1;
        let mut shards = Vec::new();
        for (at, id) in (0..).zip(self.partitions().await?) {
            let newest = self.read(&id, None, usize::MAX, usize::MAX).await?.last().map(|record| record.sequence);
            let hash_keys = (at * width, at * width + (width - 1));
            shards.push(Shard { id, hash_keys, oldest: Sequence::new(0), newest });
        }
        let created_at = Timestamp::from_ms(1_700_000_000_000);
        Ok(StreamFacts { created_at, retention: Duration::from_secs(24 * 3600), shards })
    }
}
