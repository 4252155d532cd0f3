//! What the Kinesis API tells about a stream beyond its records. Asked of whoever keeps the stream.

use std::time::Duration;

use cdp_event::{PartitionId, Sequence, Timestamp};
use cdp_ports::PortResult;

pub trait StreamDescription: Send + Sync {
    /// The stream as it stands now. Asked at each read, so it answers from memory.
    fn describe(&self) -> impl Future<Output = PortResult<StreamFacts>> + Send;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamFacts {
    pub created_at: Timestamp,
    /// How long records are kept.
    pub retention: Duration,
    /// In the order of their hash ranges.
    pub shards: Vec<Shard>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// 1 to 128 of letters, digits, `_`, `.` and `-`.
    pub id: PartitionId,
    /// The hash keys that belong to the shard, both ends included.
    pub hash_keys: (u128, u128),
    /// Of the oldest record kept; where there is none, the number that the first will have.
    pub oldest: Sequence,
    /// Of the newest record. `None`: there never was one.
    pub newest: Option<Sequence>,
}
