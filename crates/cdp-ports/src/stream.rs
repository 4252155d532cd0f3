//! Partitioned, ordered, durable records. Kinesis | an embedded log | memory.

use bytes::Bytes;
use cdp_event::{PartitionId, Record, Sequence, Timestamp};

use crate::PortResult;

const MAX_KEY_CHARS: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// Chooses the partition, by MD5 as Kinesis does. 1 to 256 characters.
    pub partition_key: String,
    /// Decimal, below 2^128: chooses the partition in place of the key's MD5.
    pub explicit_hash_key: Option<u128>,
    pub data: Bytes,
}

impl NewRecord {
    /// Why no stream may take it.
    pub fn refusal(&self) -> Option<String> {
        let chars = self.partition_key.chars().count();
        let is_fit = (1..=MAX_KEY_CHARS).contains(&chars);
        (!is_fit).then(|| format!("a partition key has 1 to {MAX_KEY_CHARS} characters, not {chars}"))
    }
}

pub trait Stream: Send + Sync {
    /// All partitions, in the order of their hash ranges.
    fn partitions(&self) -> impl Future<Output = PortResult<Vec<PartitionId>>> + Send;

    /// Durable once answered. The answer names each record's place, in the order given; records of one partition keep
    /// their order, except that those which a remote stream throttled come later. `Refused`: a partition key is outside of
    /// its limits, and nothing was written. `Busy`: some may have been written; a repeat appends them again.
    fn append(
        &self,
        records: Vec<NewRecord>,
        now: Timestamp,
    ) -> impl Future<Output = PortResult<Vec<(PartitionId, Sequence)>>> + Send;

    /// As [`append`](Self::append), for whoever may not append a record twice. Answers which records, by their place in
    /// `records`, were throttled and are surely not written; all others are. `Busy`: any of them may have been written.
    fn append_once(
        &self,
        records: Vec<NewRecord>,
        now: Timestamp,
    ) -> impl Future<Output = PortResult<Vec<usize>>> + Send {
        async move { self.append(records, now).await.map(|_| vec![]) }
    }

    /// Records of `partition` after `after` (`None`: from the oldest kept), in order; at most `max_records` and about
    /// `max_bytes` (at least one, if there is any). Empty: nothing there now. `Missing`: no such partition.
    fn read(
        &self,
        partition: &PartitionId,
        after: Option<Sequence>,
        max_records: usize,
        max_bytes: usize,
    ) -> impl Future<Output = PortResult<Vec<Record>>> + Send;
}
