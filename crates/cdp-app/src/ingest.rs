//! Ingest: decode → validate → resolve → apply → land → checkpoint, for a batch of one partition.
//!
//! Delivery is at least once, in any batch boundaries, after any crash; the outcome is exactly once. Each step may be
//! repeated: resolve finds its own claims, apply its own offsets, land writes files that nobody names until the
//! checkpoint's transaction has put them into the outbox, and that transaction happens once.

mod apply;
mod land;
mod resolve;

#[cfg(test)]
mod again;
#[cfg(test)]
mod cramped;
#[cfg(test)]
mod founded;
#[cfg(test)]
mod late;
#[cfg(test)]
mod recorded;

use std::collections::BTreeMap;
use std::mem;
use std::ops::AddAssign;
use std::time::{Duration, Instant};

use cdp_event::{
    Decoded, Event, Offset, PartitionId, Parts, Reason, Record, Rejection, Sequence, Timestamp, decode, validate,
};
use cdp_identity::{BadItem, Rules};
use cdp_ports::{Chance, Clock, DataFile, Landing, PortError, State, TableName, Transaction, Version};
use cdp_profile::Verdict;

use self::apply::{Applied, Apply};
use self::resolve::{IdentityCache, Resolved, Resolver};
use crate::checkpoint::{self, Checkpoint, Checkpoints, Counts};
use crate::outbox::OutboxEntry;
use crate::sets::SetError;

#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("{0}; build a deployment anew from the lake: docs/replay.md")]
    Stored(#[from] BadItem),
    #[error("rows can't be made into a table: {0}")]
    Rows(#[from] arrow::error::ArrowError),
    /// Nothing may come after what closed it.
    #[error("partition {0} is over, and more of it came")]
    Closed(PartitionId),
    /// Another worker has moved the partition's checkpoint. Nothing of this batch counts; open the partition again.
    #[error("partition {0} is worked on by somebody else")]
    Fenced(PartitionId),
}

/// The more go through together, the more of them are of one person, and are one write. Memory bounds them: aggregated and
/// compressed records may hold a great many. And a profile remembers each of its own until the batch is done, in an item.
pub const EVENTS_AT_ONCE: usize = 30_000;
/// See [`Parts::weight`].
pub const BYTES_AT_ONCE: usize = 48 << 20;

/// What a batch came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchReport {
    pub counts: Counts,
    /// How many were refused, by reason.
    pub reasons: BTreeMap<&'static str, u64>,
    pub files: usize,
    pub took: StageTimes,
}

/// How long each step took, for whoever looks for the slow one. Nothing depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageTimes {
    pub decode: Duration,
    pub resolve: Duration,
    pub apply: Duration,
    pub land: Duration,
    pub checkpoint: Duration,
}

impl From<SetError> for IngestError {
    fn from(error: SetError) -> Self {
        match error {
            SetError::Port(error) => Self::Port(error),
            SetError::Stored(error) => Self::Stored(error),
        }
    }
}

impl AddAssign for BatchReport {
    fn add_assign(&mut self, other: Self) {
        self.counts += other.counts;
        for (reason, count) in other.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
        self.files += other.files;
        self.took.add(&other.took);
    }
}

impl StageTimes {
    pub fn add(&mut self, other: &Self) {
        self.decode += other.decode;
        self.resolve += other.resolve;
        self.apply += other.apply;
        self.land += other.land;
        self.checkpoint += other.checkpoint;
    }
}

/// The use case and its ports.
pub struct Ingest<S, L, C> {
    pub state: S,
    pub lake: L,
    pub clock: C,
    pub rules: Rules,
}

/// One partition's worker: its checkpoint, and what it knows of identity.
pub struct PartitionIngest<'i, S, L, C> {
    ingest: &'i Ingest<S, L, C>,
    partition: PartitionId,
    checkpoint: Checkpoint,
    version: Option<Version>,
    cache: IdentityCache,
    /// Of all partitions: what may be delivered again, and has to be remembered.
    checkpoints: Checkpoints,
}

impl<S: State, L: Landing, C: Clock + Chance> Ingest<S, L, C> {
    pub async fn open(&self, partition: PartitionId) -> Result<PartitionIngest<'_, S, L, C>, IngestError> {
        let (version, checkpoint) = checkpoint::load_versioned(&self.state, &partition).await?.unwrap_or_default();
        let (cache, checkpoints) = (IdentityCache::default(), Checkpoints::default());
        Ok(PartitionIngest { ingest: self, partition, checkpoint, version, cache, checkpoints })
    }
}

/// An event, and the bytes that it was read from.
struct Valid<'a> {
    event: Event<'a>,
    arrived_at: Timestamp,
    /// As [`Decoded`] has it: for quarantine, if the event is refused later on.
    envelope: &'a [u8],
    bytes: &'a [u8],
}

/// An event on its way. It stays where it is: an event is large, and a batch has thousands.
struct LandingEvent<'b, 'a> {
    event: &'b Event<'a>,
    arrived_at: Timestamp,
    envelope: &'a [u8],
    bytes: &'a [u8],
    resolved: Resolved,
    /// Until it is applied, refused.
    verdict: Verdict,
}

struct Refused<'a> {
    offset: Offset,
    arrived_at: Timestamp,
    source: String,
    envelope: &'a [u8],
    bytes: &'a [u8],
    rejection: Rejection,
}

impl<S: State, L: Landing, C: Clock + Chance> PartitionIngest<'_, S, L, C> {
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Takes records in, in order. Those at or below the checkpoint are done with and passed over. `source` is the one of
    /// plain records. After an error, nothing is lost: open the partition again and go on from its checkpoint.
    pub async fn take_records(&mut self, records: &[Record], source: &str) -> Result<BatchReport, IngestError> {
        let (mut report, mut left) = (BatchReport::default(), records);
        while !left.is_empty() {
            let taken;
            (taken, left) = self.take_as_many_as_fit(left, source).await?;
            report += taken;
        }
        Ok(report)
    }

    /// As [`Self::take_records`], but no more of them than go through together. Answers those that are left.
    pub async fn take_as_many_as_fit<'r>(
        &mut self,
        records: &'r [Record],
        source: &str,
    ) -> Result<(BatchReport, &'r [Record]), IngestError> {
        let done = self.checkpoint.done;
        let is_done = |record: &&Record| done.is_some_and(|done| record.sequence <= done);
        let fresh = records.get(records.iter().take_while(is_done).count()..).unwrap_or_default();
        let parts = as_many_as_fit(fresh);
        let (some, left) = fresh.split_at(parts.len());
        let Some(last) = some.last() else { return Ok((BatchReport::default(), left)) };
        let mut decoded = Vec::with_capacity(parts.iter().map(Parts::len).sum());
        decoded.extend(some.iter().zip(&parts).flat_map(|(record, parts)| decode(record, parts, source)));
        let report = self.take(decoded, last.sequence, some.len() as u64, false).await?;
        Ok((report, left))
    }

    /// Takes in what was decoded from `records` records, the last of which has the sequence number `through`. `closes`:
    /// nothing comes after it.
    pub async fn take(
        &mut self,
        decoded: Vec<Decoded<'_>>,
        through: Sequence,
        records: u64,
        closes: bool,
    ) -> Result<BatchReport, IngestError> {
        let began = Instant::now();
        let now = self.ingest.clock.now();
        let reach = self.checkpoint.reach.map(|reach| Offset::new(reach, u32::MAX));
        let fence = self.announce(through).await?;
        self.checkpoints.refresh(&self.ingest.state).await?;

        let mut took = StageTimes { checkpoint: began.elapsed(), ..StageTimes::default() };
        let received = decoded.len() as u64;
        let began = Instant::now();
        let (events, mut refused) = sort(decoded);
        took.decode = began.elapsed();
        // What it knows of a batch that fails is not so: the next one begins without it.
        let mut cache = mem::take(&mut self.cache);
        let mut landing = self.resolve(&events, fence, reach, &mut cache, &mut refused, &mut took.resolve).await?;
        let began = Instant::now();
        let applied = self.apply(&mut landing, fence, &cache).await?;
        cache.end_batch();
        self.cache = cache;
        took.apply = began.elapsed();
        refused.extend(landing.iter().filter(|landing| landing.verdict == Verdict::Refused).map(without_room));

        let verdicts = |wanted| landing.iter().filter(|landing| landing.verdict == wanted).count() as u64;
        let duplicates = verdicts(Verdict::Duplicate);
        let counts = Counts {
            records,
            received,
            accepted: verdicts(Verdict::Accepted),
            quarantined: refused.len() as u64,
            duplicates,
        };
        let mut reasons = BTreeMap::new();
        for refused in &refused {
            *reasons.entry(refused.rejection.reason.as_str()).or_default() += 1;
        }
        let began = Instant::now();
        let files = self.land(&landing, &refused, applied, now).await?;
        took.land = began.elapsed();
        let (landed, began) = (files.len(), Instant::now());
        self.finish(through, &counts, files, closes, now).await?;
        took.checkpoint += began.elapsed();
        Ok(BatchReport { counts, reasons, files: landed, took })
    }

    /// Says how far this batch may leave traces, before it leaves any. Whoever else works on the partition is fenced off:
    /// the checkpoint's version is not the one that they know, and both their claims and their end of a batch depend on it.
    async fn announce(&mut self, through: Sequence) -> Result<Version, IngestError> {
        if self.checkpoint.closed {
            return Err(IngestError::Closed(self.partition.clone()));
        }
        let reach = self.checkpoint.reach.max(Some(through));
        let announced = Checkpoint { reach, ..self.checkpoint.clone() };
        checkpoint::put(&self.ingest.state, &self.partition, &announced, self.version)
            .await
            .map_err(|error| self.fenced(error))?;
        self.checkpoint = announced;
        let version = self.version.map_or(1, |version| version + 1);
        self.version = Some(version);
        Ok(version)
    }

    async fn resolve<'b, 'a>(
        &self,
        events: &'b [Valid<'a>],
        fence: Version,
        reach: Option<Offset>,
        cache: &mut IdentityCache,
        refused: &mut Vec<Refused<'a>>,
        took: &mut Duration,
    ) -> Result<Vec<LandingEvent<'b, 'a>>, IngestError> {
        let began = Instant::now();
        let Ingest { state, rules, .. } = self.ingest;
        let resolver = Resolver { state, rules, partition: &self.partition, fence, reach };
        let outcomes = resolver.resolve(events, cache).await?;
        let mut landing = Vec::with_capacity(events.len());
        for (Valid { event, arrived_at, envelope, bytes }, outcome) in events.iter().zip(outcomes) {
            let arrived_at = *arrived_at;
            match outcome {
                Ok(resolved) => {
                    landing.push(LandingEvent {
                        event,
                        arrived_at,
                        envelope,
                        bytes,
                        resolved,
                        verdict: Verdict::Refused,
                    });
                }
                Err(rejection) => refused.push(Refused {
                    offset: event.offset,
                    arrived_at,
                    source: event.source.clone().into_owned(),
                    envelope,
                    bytes,
                    rejection,
                }),
            }
        }
        *took = began.elapsed();
        Ok(landing)
    }

    async fn apply(
        &mut self,
        landing: &mut [LandingEvent<'_, '_>],
        fence: Version,
        cache: &IdentityCache,
    ) -> Result<Applied, IngestError> {
        let (state, partition, in_flight) = (&self.ingest.state, &self.partition, &mut self.checkpoints);
        Apply { state, partition, fence, in_flight, cache }.apply(landing).await
    }

    async fn land(
        &self,
        landing: &[LandingEvent<'_, '_>],
        refused: &[Refused<'_>],
        applied: Applied,
        now: Timestamp,
    ) -> Result<Vec<(TableName, DataFile)>, IngestError> {
        let land = land::Land { ingest: self.ingest, partition: &self.partition, applied, now };
        land.put(landing, refused).await
    }

    /// The batch's one transaction: the checkpoint moves, and the files go to the outbox.
    async fn finish(
        &mut self,
        through: Sequence,
        counts: &Counts,
        files: Vec<(TableName, DataFile)>,
        closes: bool,
        now: Timestamp,
    ) -> Result<(), IngestError> {
        let mut finished = Checkpoint { done: Some(through), closed: closes, ..self.checkpoint.clone() };
        finished.counts += *counts;
        let mut writes = checkpoint::writes(&self.partition, &finished, self.version);
        for (table, file) in files {
            let name = format!("{:013}-{:016x}", now.as_ms().max(0), self.ingest.clock.draw());
            writes.push(OutboxEntry { name, partition: self.partition.clone(), file }.write(table));
        }
        self.ingest.state.commit(Transaction { writes, durable: true }).await.map_err(|error| self.fenced(error))?;
        self.checkpoint = finished;
        self.version = Some(self.version.map_or(1, |version| version + 1));
        Ok(())
    }

    fn fenced(&self, error: PortError) -> IngestError {
        if error.is_stale() { IngestError::Fenced(self.partition.clone()) } else { error.into() }
    }
}

/// The first records' parts. Only what is taken apart shows how much memory it takes.
fn as_many_as_fit(records: &[Record]) -> Vec<Parts> {
    let (mut all, mut events, mut bytes) = (Vec::with_capacity(records.len().min(EVENTS_AT_ONCE)), 0, 0);
    for record in records {
        if events >= EVENTS_AT_ONCE || bytes >= BYTES_AT_ONCE {
            break;
        }
        let parts = Parts::of(record);
        (events, bytes) = (events + parts.len(), bytes + parts.weight());
        all.push(parts);
    }
    all
}

/// One profile that is full is no failure of the batch either.
fn without_room<'a>(landing: &LandingEvent<'_, 'a>) -> Refused<'a> {
    let profile = landing.resolved.profile;
    Refused {
        offset: landing.event.offset,
        arrived_at: landing.arrived_at,
        source: landing.event.source.clone().into_owned(),
        envelope: landing.envelope,
        bytes: landing.bytes,
        rejection: Rejection::new(Reason::ProfileFull, format!("{profile} is as large as the store takes an item")),
    }
}

/// One bad record is a result, not a failure of the batch.
fn sort<'a>(decoded: Vec<Decoded<'a>>) -> (Vec<Valid<'a>>, Vec<Refused<'a>>) {
    let mut events = Vec::with_capacity(decoded.len());
    let mut refused = Vec::new();
    for Decoded { offset, arrived_at, source, envelope, bytes, event } in decoded {
        match event.and_then(|raw| validate(&raw)) {
            Ok(event) => events.push(Valid { event, arrived_at, envelope, bytes }),
            Err(rejection) => {
                let source = source.into_owned();
                refused.push(Refused { offset, arrived_at, source, envelope, bytes, rejection });
            }
        }
    }
    (events, refused)
}
