//! The log of this machine, and what is asked of it beyond records.

use std::path::Path;
use std::time::Duration;

use adapter_log::{EmbeddedLog, LogOptions};
use cdp_api::kinesis::{Shard, StreamDescription, StreamFacts};
use cdp_app::RecordCount;
use cdp_deployment::Settings;
use cdp_event::{PartitionId, Record, Sequence, Timestamp};
use cdp_ports::{FaultKind, NewRecord, PortError, PortResult, Stream};

const HOUR: Duration = Duration::from_secs(3600);

pub struct LocalLog(EmbeddedLog);

impl LocalLog {
    pub fn open(dir: &Path, settings: &Settings) -> PortResult<Self> {
        let retention = HOUR * settings.retention.stream_hours;
        let options = LogOptions { retention, ..LogOptions::default() };
        let action = || format!("open the log in {}", dir.display());
        let log = EmbeddedLog::open(dir, settings.stream.shards as usize, options);
        Ok(Self(log.map_err(|error| PortError::because(FaultKind::Broken, action(), error))?))
    }

    pub fn trim(&self, partition: &PartitionId, below: Sequence, older_than: Timestamp) -> PortResult<u64> {
        self.0.trim(partition, below, older_than)
    }

    fn describe_shard(&self, id: PartitionId) -> PortResult<Shard> {
        let tip = self.0.tip(&id)?.as_u64().unwrap_or_default();
        Ok(Shard {
            hash_keys: self.0.hash_range(&id)?,
            oldest: self.0.oldest(&id)?,
            newest: tip.checked_sub(1).map(Sequence::from),
            id,
        })
    }
}

impl Stream for LocalLog {
    async fn partitions(&self) -> PortResult<Vec<PartitionId>> {
        self.0.partitions().await
    }

    async fn append(&self, records: Vec<NewRecord>, now: Timestamp) -> PortResult<Vec<(PartitionId, Sequence)>> {
        self.0.append(records, now).await
    }

    async fn read(
        &self,
        partition: &PartitionId,
        after: Option<Sequence>,
        max_records: usize,
        max_bytes: usize,
    ) -> PortResult<Vec<Record>> {
        self.0.read(partition, after, max_records, max_bytes).await
    }
}

impl StreamDescription for LocalLog {
    async fn describe(&self) -> PortResult<StreamFacts> {
        let shards = self.0.partitions().await?.into_iter().map(|id| self.describe_shard(id));
        Ok(StreamFacts {
            created_at: self.0.created_at(),
            retention: self.0.retention(),
            shards: shards.collect::<PortResult<_>>()?,
        })
    }
}

impl RecordCount for LocalLog {
    /// Sequence numbers are dense and begin at 0.
    async fn records_up_to(&self, partition: &PartitionId, sequence: Sequence) -> PortResult<Option<u64>> {
        let is_shard = self.0.partitions().await?.contains(partition);
        Ok(sequence.as_u64().filter(|_| is_shard).map(|last| last + 1))
    }
}
