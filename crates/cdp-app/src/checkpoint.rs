//! How far each partition has come, and what became of its records.

use std::collections::{HashMap, HashSet};
use std::ops::AddAssign;

use bytes::Bytes;
use cdp_event::{Offset, PartitionId, Sequence};
use cdp_identity::BadItem;
use cdp_ports::{Condition, Item, Key, PortResult, State, Transaction, Version, Write};
use cdp_profile::InFlight;
use prost::Message;

use crate::keys::{CHECKPOINTS, CLOSED, checkpoint_key, closed_key};

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
    /// What is stored may be damaged, and then be as large as a number gets.
    fn add_assign(&mut self, other: Self) {
        let add = |count: &mut u64, other| *count = count.saturating_add(other);
        add(&mut self.records, other.records);
        add(&mut self.received, other.received);
        add(&mut self.accepted, other.accepted);
        add(&mut self.quarantined, other.quarantined);
        add(&mut self.duplicates, other.duplicates);
    }
}

impl Counts {
    /// What was taken in, now or before.
    pub fn taken(&self) -> u64 {
        self.accepted.saturating_add(self.duplicates)
    }

    pub fn add_up(&self) -> bool {
        let became = self.accepted.saturating_add(self.quarantined).saturating_add(self.duplicates);
        self.received == became
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

/// `None`: the partition was never seen. Of one that is over there is no version: it does not change any more.
pub(crate) async fn load_versioned(
    state: &impl State,
    partition: &PartitionId,
) -> Result<Option<(Option<Version>, Checkpoint)>, crate::IngestError> {
    let found = state.get(&[checkpoint_key(partition), closed_key(partition)]).await?;
    let mut found = found.into_iter().flatten();
    let Some(item) = found.next() else { return Ok(None) };
    let is_open = item.key.partition == CHECKPOINTS;
    Ok(Some((is_open.then_some(item.version), Checkpoint::decode(item.body)?)))
}

/// Whether whoever knows the partition's checkpoint at `fence` still has the partition.
pub(crate) async fn check_fence(
    state: &impl State,
    partition: &PartitionId,
    fence: Version,
) -> Result<(), crate::IngestError> {
    let current = state.get(&[checkpoint_key(partition)]).await?.pop().flatten().map(|item| item.version);
    if current == Some(fence) { Ok(()) } else { Err(crate::IngestError::Fenced(partition.clone())) }
}

/// Moves the checkpoint on. `expected`: the version that the caller knows; without one, the partition must be new: one that is
/// over has no open checkpoint either.
pub(crate) fn writes(partition: &PartitionId, checkpoint: &Checkpoint, expected: Option<Version>) -> Vec<Write> {
    let condition = expected.map_or(Condition::Absent, Condition::At);
    let body = checkpoint.encode();
    if !checkpoint.closed {
        let is_new = Write::Check { key: closed_key(partition), condition: Condition::Absent };
        let put = Write::Put { key: checkpoint_key(partition), body, condition };
        return if expected.is_none() { vec![put, is_new] } else { vec![put] };
    }
    vec![
        Write::Delete { key: checkpoint_key(partition), condition },
        Write::Put { key: closed_key(partition), body, condition: Condition::Absent },
    ]
}

/// Partitions' checkpoints, as they stood at one time: each is a lower bound of how far its partition is now.
#[derive(Clone, Debug, Default)]
pub struct Checkpoints(HashMap<PartitionId, Checkpoint>);

const PAGE: usize = 1000;

impl Checkpoints {
    /// Those of all partitions that there ever were.
    pub async fn all(state: &impl State) -> Result<Self, crate::IngestError> {
        let mut all = Self::default();
        // In this order: one that is closed meanwhile is seen twice, not never.
        all.read(state, CHECKPOINTS).await?;
        all.read(state, CLOSED).await?;
        Ok(all)
    }

    /// Reads again which partitions are open. Those that were found to be over are still known.
    pub async fn refresh(&mut self, state: &impl State) -> Result<(), crate::IngestError> {
        self.0.retain(|_, checkpoint| checkpoint.closed);
        self.read(state, CHECKPOINTS).await
    }

    /// Finds out which of these are over, where they are not known.
    pub async fn learn<'p>(
        &mut self,
        state: &impl State,
        partitions: impl Iterator<Item = &'p PartitionId>,
    ) -> Result<(), crate::IngestError> {
        let unknown: HashSet<&PartitionId> = partitions.filter(|partition| !self.0.contains_key(partition)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let keys: Vec<Key> = unknown.into_iter().map(closed_key).collect();
        for item in state.get(&keys).await?.into_iter().flatten() {
            self.insert(item)?;
        }
        Ok(())
    }

    async fn read(&mut self, state: &impl State, place: &str) -> Result<(), crate::IngestError> {
        let mut after: Option<String> = None;
        loop {
            let page = state.query(place, "", after.as_deref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|item| item.key.sort.clone());
            page.into_iter().try_for_each(|item| self.insert(item))?;
            if is_last {
                return Ok(());
            }
        }
    }

    fn insert(&mut self, item: Item) -> Result<(), BadItem> {
        self.0.insert(PartitionId::new(&item.key.sort), Checkpoint::decode(item.body)?);
        Ok(())
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
    state.commit(Transaction { writes: writes(partition, checkpoint, expected), durable: false }).await
}

#[cfg(test)]
mod tests {
    use cdp_event::Record;
    use cdp_ports::Clock;
    use futures::executor::block_on;

    use super::*;
    use crate::small_platform::{Platform, platform};
    use crate::{IngestError, retire};

    async fn open(platform: &Platform) -> Checkpoints {
        let mut open = Checkpoints::default();
        open.refresh(&platform.state).await.expect("memory");
        open
    }

    fn record(platform: &Platform, sequence: u64) -> Record {
        Record {
            sequence: Sequence::from(sequence),
            arrived_at: platform.clock.now(),
            partition_key: "k".into(),
            data: "{}".into(),
        }
    }

    #[test]
    fn a_partition_that_is_over_stands_apart_and_takes_nothing_more() {
        let platform = platform();
        let [a, b, never] = ["a", "b", "never"].map(PartitionId::new);
        let later = Offset::new(Sequence::from(1_000), 0);
        block_on(async {
            assert_eq!(
                retire(&platform.state, &open(&platform).await, |partition| *partition == a).await.expect("memory"),
                std::slice::from_ref(&a)
            );

            let mut known = Checkpoints::default();
            known.refresh(&platform.state).await.expect("memory");
            assert_eq!(known.iter().map(|(partition, _)| partition).collect::<Vec<_>>(), [&b]);
            assert!(known.may_return(&a, later), "it may have begun since");
            known.learn(&platform.state, [&a, &b, &never].into_iter()).await.expect("memory");
            let may_return = [&a, &b, &never].map(|partition| known.may_return(partition, later));
            assert_eq!(may_return, [false, true, true]);
            known.refresh(&platform.state).await.expect("memory");
            assert!(!known.may_return(&a, later), "what is over is known for ever");
            assert_eq!(Checkpoints::all(&platform.state).await.expect("memory").iter().count(), 2);

            let mut unaware = platform.open(never.clone()).await.expect("memory");
            let mut other = platform.open(never.clone()).await.expect("memory");
            other.take_records(&[record(&platform, 1)], "test").await.expect("memory");
            retire(&platform.state, &open(&platform).await, |partition| *partition == never).await.expect("memory");
            let refused = unaware.take_records(&[record(&platform, 1)], "test").await;
            assert!(matches!(refused, Err(IngestError::Fenced(_))), "{refused:?}");

            let mut again = platform.open(a.clone()).await.expect("memory");
            let done = again.checkpoint().done;
            assert!(again.checkpoint().closed && done.is_some());
            let refused = again.take_records(&[record(&platform, 1_000)], "test").await;
            assert!(matches!(refused, Err(IngestError::Closed(_))), "{refused:?}");
        });
    }
}
