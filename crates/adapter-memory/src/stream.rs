//! A stream of vectors, one for each shard.

use std::sync::Mutex;

use cdp_event::{PartitionId, Record, Sequence, Timestamp};
use cdp_ports::{FaultKind, NewRecord, PortError, PortResult, Stream};
use md5::{Digest, Md5};

use crate::lock;

/// Shards have equal shares of the hash space, and sequence numbers that count from 0.
#[derive(Debug)]
pub struct MemoryStream {
    /// Invariant: never empty. In the order of their hash ranges.
    shards: Vec<PartitionId>,
    /// As many as there are shards.
    records: Mutex<Vec<Vec<Record>>>,
}

impl MemoryStream {
    /// At least one shard.
    pub fn new(shards: usize) -> Self {
        let shards: Vec<_> = (0..shards.max(1)).map(|at| PartitionId::new(format!("shardId-{at:012}"))).collect();
        Self { records: Mutex::new(vec![vec![]; shards.len()]), shards }
    }

    fn shard_of(&self, record: &NewRecord) -> usize {
        let of_key = || u128::from_be_bytes(Md5::digest(&record.partition_key).into());
        let hash = record.explicit_hash_key.unwrap_or_else(of_key);
        let width = u128::MAX / self.shards.len() as u128;
        usize::try_from(hash / width).unwrap_or(usize::MAX).min(self.shards.len() - 1)
    }
}

impl Stream for MemoryStream {
    async fn partitions(&self) -> PortResult<Vec<PartitionId>> {
        Ok(self.shards.clone())
    }

    async fn append(&self, records: Vec<NewRecord>, now: Timestamp) -> PortResult<Vec<(PartitionId, Sequence)>> {
        if let Some(why) = records.iter().find_map(NewRecord::refusal) {
            return Err(PortError::because(FaultKind::Refused, "append", why));
        }
        let mut kept = lock(&self.records);
        let place = |record: NewRecord| {
            let shard = self.shard_of(&record);
            let kept = &mut kept[shard];
            let sequence = Sequence::from(kept.len() as u64);
            let NewRecord { partition_key, data, .. } = record;
            kept.push(Record { sequence, arrived_at: now, partition_key: partition_key.into(), data });
            (self.shards[shard].clone(), sequence)
        };
        Ok(records.into_iter().map(place).collect())
    }

    async fn read(
        &self,
        partition: &PartitionId,
        after: Option<Sequence>,
        max_records: usize,
        max_bytes: usize,
    ) -> PortResult<Vec<Record>> {
        let Some(shard) = self.shards.iter().position(|shard| shard == partition) else {
            return Err(PortError::new(FaultKind::Missing, format!("read partition {partition:?}")));
        };
        let kept = lock(&self.records);
        let (mut read, mut bytes) = (vec![], 0);
        for record in kept[shard].iter().filter(|record| after.is_none_or(|after| record.sequence > after)) {
            bytes += record.data.len();
            if read.len() >= max_records || (bytes > max_bytes && !read.is_empty()) {
                break;
            }
            read.push(record.clone());
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;

    #[test]
    fn keeps_the_contract_of_stream() {
        for shards in [2, 3, 4, 7] {
            block_on(cdp_ports::conformance::stream::all(async || MemoryStream::new(shards)));
        }
    }
}
