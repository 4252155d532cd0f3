//! How far a job has come: an item of State of its own.

use bytes::Bytes;
use cdp_event::{Offset, PartitionId, Sequence, Timestamp};
use cdp_identity::BadItem;
use cdp_ports::{Condition, State, Transaction, Version, Write};
use prost::Message;

use super::page::Place;
use super::{ReplayError, ReplayJob};
use crate::keys::replay_key;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub job: ReplayJob,
    /// The last row that is done with, in the order of receipt.
    pub(super) after: Option<Place>,
    pub replayed: u64,
    /// Refused rows that another job had replayed before.
    pub passed_over: u64,
    /// Refused rows that are no events by themselves: they come again with their file. Also those whose request can't be read.
    pub of_files: u64,
    /// How many rows there were at the beginning, at most: those of whole files.
    pub at_most: u64,
    pub done: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Stored {
    /// As JSON.
    #[prost(string, tag = "1")]
    job: String,
    #[prost(message, optional, tag = "2")]
    after: Option<StoredPlace>,
    #[prost(uint64, tag = "3")]
    replayed: u64,
    #[prost(uint64, tag = "4")]
    passed_over: u64,
    #[prost(uint64, tag = "5")]
    at_most: u64,
    #[prost(bool, tag = "6")]
    done: bool,
    #[prost(uint64, tag = "7")]
    of_files: u64,
}

#[derive(Clone, PartialEq, Message)]
struct StoredPlace {
    #[prost(sint64, tag = "1")]
    received_at_ms: i64,
    #[prost(string, tag = "2")]
    partition: String,
    #[prost(bytes = "bytes", tag = "3")]
    sequence: Bytes,
    #[prost(uint32, tag = "4")]
    sub: u32,
}

impl Progress {
    pub(super) fn begin(job: ReplayJob, at_most: u64) -> Self {
        Self { job, after: None, replayed: 0, passed_over: 0, of_files: 0, at_most, done: false }
    }

    /// `None`: no worker has begun it yet.
    pub async fn load(state: &impl State, id: &str) -> Result<Option<Self>, ReplayError> {
        Ok(Self::load_versioned(state, id).await?.map(|(_, progress)| progress))
    }

    pub(super) async fn load_versioned(state: &impl State, id: &str) -> Result<Option<(Version, Self)>, ReplayError> {
        let Some(item) = state.get(&[replay_key(id)]).await?.pop().flatten() else { return Ok(None) };
        Ok(Some((item.version, Self::decode(item.body)?)))
    }

    /// `Stale`: another worker has written it since.
    pub(super) async fn put(&self, state: &impl State, expected: Option<Version>) -> Result<Version, ReplayError> {
        let condition = expected.map_or(Condition::Absent, Condition::At);
        let write = Write::Put { key: replay_key(&self.job.id), body: self.encode(), condition };
        state.commit(Transaction { writes: vec![write], durable: true }).await?;
        Ok(expected.map_or(1, |version| version + 1))
    }

    fn encode(&self) -> Bytes {
        let place = |place: &Place| StoredPlace {
            received_at_ms: place.received_at.as_ms(),
            partition: place.partition.as_str().to_owned(),
            sequence: Bytes::copy_from_slice(&place.offset.sequence.to_be_bytes()),
            sub: place.offset.sub,
        };
        Stored {
            job: self.job.to_json(),
            after: self.after.as_ref().map(place),
            replayed: self.replayed,
            passed_over: self.passed_over,
            of_files: self.of_files,
            at_most: self.at_most,
            done: self.done,
        }
        .encode_to_vec()
        .into()
    }

    fn decode(body: Bytes) -> Result<Self, BadItem> {
        let stored = Stored::decode(body).map_err(|error| BadItem::new("replay", error))?;
        let place = |place: StoredPlace| {
            let sequence = Sequence::from_be_bytes(&place.sequence)
                .ok_or_else(|| BadItem::new("replay", "a sequence number is too long"))?;
            Ok(Place {
                received_at: Timestamp::from_ms(place.received_at_ms),
                partition: PartitionId::new(place.partition),
                offset: Offset::new(sequence, place.sub),
            })
        };
        Ok(Self {
            job: ReplayJob::parse(&stored.job).map_err(|error| BadItem::new("replay", error))?,
            after: stored.after.map(place).transpose()?,
            replayed: stored.replayed,
            passed_over: stored.passed_over,
            of_files: stored.of_files,
            at_most: stored.at_most,
            done: stored.done,
        })
    }
}
