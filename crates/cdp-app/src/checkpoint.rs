//! How far each partition has come, and what became of its records.

use std::collections::HashMap;
use std::ops::AddAssign;

use bytes::Bytes;
use cdp_event::{Offset, PartitionId, Sequence};
use cdp_identity::BadItem;
use cdp_ports::{Condition, Key, PortResult, State, Version, Write};
use cdp_profile::InFlight;
use prost::Message;

use crate::keys::{CHECKPOINTS, checkpoint_key};

/// What became of a partition's records so far. `received = accepted + quarantined + duplicates`, always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// As the stream counts: a KPL aggregate is one.
    pub records: u64,
    /// Events, or what should have been events: a KPL aggregate is as many as it holds.
    pub received: u64,
    pub accepted: u64,
    pub quarantined: u64,
    pub duplicates: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.received += other.received;
        self.accepted += other.accepted;
        self.quarantined += other.quarantined;
        self.duplicates += other.duplicates;
    }
}

impl Counts {
    pub fn add_up(&self) -> bool {
        self.received == self.accepted + self.quarantined + self.duplicates
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// All records up to here are done with.
    pub done: Option<Sequence>,
    /// Records up to here may have left traces in State: above `done`, they are delivered again.
    pub reach: Option<Sequence>,
    pub counts: Counts,
    /// Nothing comes after `done`: a file that was read to its end, a shard that was closed.
    pub closed: bool,
}

#[derive(Clone, PartialEq, Message)]
struct StoredCheckpoint {
    #[prost(bytes = "bytes", optional, tag = "1")]
    done: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "2")]
    reach: Option<Bytes>,
    #[prost(uint64, tag = "3")]
    records: u64,
    #[prost(uint64, tag = "4")]
    received: u64,
    #[prost(uint64, tag = "5")]
    accepted: u64,
    #[prost(uint64, tag = "6")]
    quarantined: u64,
    #[prost(uint64, tag = "7")]
    duplicates: u64,
    #[prost(bool, tag = "8")]
    closed: bool,
}

impl Checkpoint {
    pub(crate) fn encode(&self) -> Bytes {
        let sequence = |s: Sequence| Bytes::copy_from_slice(&s.to_be_bytes());
        StoredCheckpoint {
            done: self.done.map(sequence),
            reach: self.reach.map(sequence),
            records: self.counts.records,
            received: self.counts.received,
            accepted: self.counts.accepted,
            quarantined: self.counts.quarantined,
            duplicates: self.counts.duplicates,
            closed: self.closed,
        }
        .encode_to_vec()
        .into()
    }

    pub(crate) fn decode(body: Bytes) -> Result<Self, BadItem> {
        let stored = StoredCheckpoint::decode(body).map_err(|e| BadItem::new("checkpoint", e))?;
        let sequence = |bytes: Bytes| {
            Sequence::from_be_bytes(&bytes).ok_or_else(|| BadItem::new("checkpoint", "a sequence number is too long"))
        };
        Ok(Self {
            done: stored.done.map(sequence).transpose()?,
            reach: stored.reach.map(sequence).transpose()?,
            counts: Counts {
                records: stored.records,
                received: stored.received,
                accepted: stored.accepted,
                quarantined: stored.quarantined,
                duplicates: stored.duplicates,
            },
            closed: stored.closed,
        })
    }

    /// `None`: the partition was never seen.
    pub async fn load(state: &impl State, partition: &PartitionId) -> Result<Option<Self>, crate::IngestError> {
        Ok(load_versioned(state, partition).await?.map(|(_, checkpoint)| checkpoint))
    }

    fn may_return(&self, offset: Offset) -> bool {
        !self.closed && self.done.is_none_or(|done| offset.sequence > done)
    }
}

pub(crate) async fn load_versioned(
    state: &impl State,
    partition: &PartitionId,
) -> Result<Option<(Version, Checkpoint)>, crate::IngestError> {
    let mut found = state.get(&[checkpoint_key(partition)]).await?;
    let Some(item) = found.pop().flatten() else { return Ok(None) };
    Ok(Some((item.version, Checkpoint::decode(item.body)?)))
}

pub(crate) fn write(partition: &PartitionId, checkpoint: &Checkpoint, expected: Option<Version>) -> Write {
    let condition = expected.map_or(Condition::Absent, Condition::At);
    Write::Put { key: checkpoint_key(partition), body: checkpoint.encode(), condition }
}

/// All partitions' checkpoints, as they stood at one time: each is a lower bound of how far its partition is now.
#[derive(Clone, Debug, Default)]
pub struct Checkpoints(HashMap<PartitionId, Checkpoint>);

const PAGE: usize = 1000;

impl Checkpoints {
    pub async fn load(state: &impl State) -> Result<Self, crate::IngestError> {
        let mut all = HashMap::new();
        let mut after: Option<Key> = None;
        loop {
            let page = state.query(CHECKPOINTS, "", after.as_ref().map(|key| key.sort.as_str()), PAGE).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|item| item.key.clone());
            for item in page {
                all.insert(PartitionId::new(&item.key.sort), Checkpoint::decode(item.body)?);
            }
            if is_last {
                return Ok(Self(all));
            }
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&PartitionId, &Checkpoint)> {
        self.0.iter()
    }
}

impl InFlight for Checkpoints {
    /// A partition that is not known may have begun since: it is in flight.
    fn may_return(&self, partition: &PartitionId, offset: Offset) -> bool {
        self.0.get(partition).is_none_or(|checkpoint| checkpoint.may_return(offset))
    }
}

/// Fences off whoever else works on the partition: later conditions on the old version fail for them.
pub(crate) async fn put(
    state: &impl State,
    partition: &PartitionId,
    checkpoint: &Checkpoint,
    expected: Option<Version>,
) -> PortResult<()> {
    let writes = vec![write(partition, checkpoint, expected)];
    state.commit(cdp_ports::Transaction { writes, durable: false }).await
}
