//! One profile's own state: traits, counts, recent events, and what has been applied already.
//!
//! Its texts are parts of the bytes that it was read from: most of them are written back as they came.

use std::collections::BTreeMap;
use std::mem;

use bytestring::ByteString;
use cdp_event::{Event, EventKind, Offset, PartitionId, Timestamp};
use cdp_identity::ProfileId;
use serde_json::value::RawValue;

use crate::seen::{Seen, message_hash};

/// With more, many a profile takes more than the KB that DynamoDB bills a write by.
pub const RECENT_EVENTS: usize = 5;
/// Longer properties of a recent event are left to the `events` table.
const MAX_RECENT_PROPERTIES_BYTES: usize = 2048;
/// Names beyond these are counted and kept in the lake only, so that a profile stays an item of bounded size.
const MAX_TRAITS: usize = 300;
const MAX_TRAIT_BYTES: usize = 4096;
const MAX_LABELS: usize = 300;
const OTHER_LABELS: &str = "(other)";

/// A value and what it takes to decide between two: the later time stamp wins, then the greater message id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trait {
    /// JSON text.
    pub value: ByteString,
    pub set_at: Timestamp,
    pub message_id: ByteString,
    pub source: ByteString,
}

impl Trait {
    pub(crate) fn is_newer_than(&self, other: &Self) -> bool {
        (self.set_at, &self.message_id, &self.value) > (other.set_at, &other.message_id, &other.value)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentEvent {
    pub timestamp: Timestamp,
    pub message_id: ByteString,
    pub kind: EventKind,
    pub name: Option<ByteString>,
    pub source: ByteString,
    /// JSON text.
    pub properties: Option<ByteString>,
}

impl RecentEvent {
    pub(crate) fn rank(&self) -> (Timestamp, &str) {
        (self.timestamp, &self.message_id)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub id: ProfileId,
    pub first_seen: Option<Timestamp>,
    pub last_seen: Option<Timestamp>,
    /// The first and the last event's message id and source, by arrival.
    pub first_message: Option<(ByteString, ByteString)>,
    pub last_message: Option<(ByteString, ByteString)>,
    pub updated_at: Option<Timestamp>,
    pub events: u64,
    pub duplicates: u64,
    pub counts: BTreeMap<ByteString, u64>,
    pub traits: BTreeMap<ByteString, Trait>,
    /// Newest first.
    pub recent: Vec<RecentEvent>,
    seen: Seen,
    /// For each partition in flight, the highest offset that was applied.
    applied: Vec<(PartitionId, Offset)>,
    refused: Vec<Refusal>,
}

/// What a full profile took none of: events of a partition in flight, above the first offset, up to the second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub partition: PartitionId,
    pub after: Option<Offset>,
    pub through: Offset,
}

/// What a member keeps for the sake of deliveries that come again.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub seen: Seen,
    pub applied: Vec<(PartitionId, Offset)>,
    pub refused: Vec<Refusal>,
}

/// A member as far as the tables tell of it: read without its recent events and its memory, which are most of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline(pub(crate) Member);

impl From<&Member> for Outline {
    fn from(member: &Member) -> Self {
        Self(Member {
            first_seen: member.first_seen,
            last_seen: member.last_seen,
            events: member.events,
            counts: member.counts.clone(),
            traits: member.traits.clone(),
            ..Member::new(member.id)
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    /// The producer sent it before, in another record.
    Duplicate,
    /// The profile has no room for it.
    Refused,
}

/// Which deliveries may come again: those above their partition's checkpoint.
pub trait InFlight {
    fn may_return(&self, partition: &PartitionId, offset: Offset) -> bool;
}

impl Member {
    pub fn new(id: ProfileId) -> Self {
        Self {
            id,
            first_seen: None,
            last_seen: None,
            first_message: None,
            last_message: None,
            updated_at: None,
            events: 0,
            duplicates: 0,
            counts: BTreeMap::new(),
            traits: BTreeMap::new(),
            recent: Vec::new(),
            seen: Seen::default(),
            applied: Vec::new(),
            refused: Vec::new(),
        }
    }

    pub(crate) fn with_memory(self, Memory { seen, applied, refused }: Memory) -> Self {
        Self { seen, applied, refused, ..self }
    }

    /// What [`Member::with_memory`] takes.
    pub(crate) fn take_memory(&mut self) -> Memory {
        Memory {
            seen: mem::take(&mut self.seen),
            applied: mem::take(&mut self.applied),
            refused: mem::take(&mut self.refused),
        }
    }

    pub fn applied(&self) -> &[(PartitionId, Offset)] {
        &self.applied
    }

    /// Those that events of this profile may be delivered from again, as far as it knows.
    pub fn partitions(&self) -> impl Iterator<Item = &PartitionId> {
        self.applied.iter().map(|(partition, _)| partition)
    }

    /// The highest offset of `partition` that was applied, while it is in flight.
    pub fn reached(&self, partition: &PartitionId) -> Option<Offset> {
        self.applied.iter().find(|(p, _)| p == partition).map(|(_, offset)| *offset)
    }

    /// Applies an event of `partition`, in the partition's order. A repeated delivery changes nothing and has the verdict
    /// that it had before: an event at or below the highest applied offset was refused if that was noted, accepted if its own
    /// message is remembered at that very place, and a duplicate otherwise, since none is forgotten while it may return.
    ///
    /// `arrived_at`: when this platform took it in. Its message is remembered from then on: an event that is replayed was received
    /// long before, and may come twice all the same.
    pub fn apply(&mut self, partition: &PartitionId, event: &Event<'_>, arrived_at: Timestamp) -> Verdict {
        let hash = message_hash(&event.message_id);
        let applied = self.applied.iter().position(|(p, _)| p == partition);
        if applied.is_some_and(|at| event.offset <= self.applied[at].1) {
            if self.refused.iter().any(|refusal| refusal.is_of(partition, event.offset)) {
                return Verdict::Refused;
            }
            let is_here = self.seen.has_at(hash, partition, event.offset);
            return if is_here { Verdict::Accepted } else { Verdict::Duplicate };
        }
        match applied {
            Some(at) => self.applied[at].1 = event.offset,
            None => self.applied.push((partition.clone(), event.offset)),
        }
        if self.seen.has(hash) {
            self.duplicates += 1;
            return Verdict::Duplicate;
        }
        self.seen.push(hash, arrived_at, partition, event.offset);
        self.absorb(event);
        Verdict::Accepted
    }

    /// Notes that it has no room for what is left of `partition` up to `through`, so that whoever delivers that again does not
    /// find room for it. Its recent events make way for the note.
    pub fn refuse(&mut self, partition: &PartitionId, through: Offset) {
        let after = self.reached(partition);
        if after >= Some(through) {
            return;
        }
        self.recent.clear();
        self.applied.retain(|(of, _)| of != partition);
        self.applied.push((partition.clone(), through));
        let adjoining =
            self.refused.iter_mut().find(|earlier| earlier.partition == *partition && Some(earlier.through) == after);
        match adjoining {
            Some(earlier) => earlier.through = through,
            None => self.refused.push(Refusal { partition: partition.clone(), after, through }),
        }
    }

    fn absorb(&mut self, event: &Event<'_>) {
        self.events += 1;
        self.count(event.label(), 1);
        self.first_seen = Some(self.first_seen.map_or(event.timestamp, |t| t.min(event.timestamp)));
        self.last_seen = Some(self.last_seen.map_or(event.timestamp, |t| t.max(event.timestamp)));
        self.updated_at = Some(self.updated_at.map_or(event.received_at, |t| t.max(event.received_at)));
        let message = self.message_of(event);
        if self.first_message.is_none() {
            self.first_message = Some(message.clone());
        }
        if event.kind == EventKind::Identify {
            self.set_traits(event, &message);
        }
        self.remember(event, &message);
        self.last_message = Some(message);
    }

    /// Its id and its source, as one copy for all that keep them. Most messages have the source of the one before.
    fn message_of(&self, event: &Event<'_>) -> (ByteString, ByteString) {
        let source = match &self.last_message {
            Some((_, source)) if **source == *event.source => source.clone(),
            Some(_) | None => text(&event.source),
        };
        (text(&event.message_id), source)
    }

    fn count(&mut self, label: &str, by: u64) {
        if let Some(count) = self.counts.get_mut(label) {
            *count += by;
            return;
        }
        let label = if self.counts.len() < MAX_LABELS { label } else { OTHER_LABELS };
        *self.counts.entry(text(label)).or_default() += by;
    }

    fn set_traits(&mut self, event: &Event<'_>, (message_id, source): &(ByteString, ByteString)) {
        let Some(json) = event.traits.as_deref() else { return };
        let Ok(traits) = serde_json::from_str::<BTreeMap<ByteString, &RawValue>>(json) else { return };
        for (name, value) in traits {
            let value = value.get();
            if value.len() > MAX_TRAIT_BYTES || name.len() > MAX_TRAIT_BYTES {
                continue;
            }
            let new = Trait {
                value: text(value),
                set_at: event.timestamp,
                message_id: message_id.clone(),
                source: source.clone(),
            };
            let wins = match self.traits.get(&name) {
                Some(old) => new.is_newer_than(old),
                None => self.traits.len() < MAX_TRAITS,
            };
            if wins {
                self.traits.insert(name, new);
            }
        }
    }

    fn remember(&mut self, event: &Event<'_>, (message_id, source): &(ByteString, ByteString)) {
        let rank = (event.timestamp, &*event.message_id);
        let at = self.recent.partition_point(|recent| recent.rank() > rank);
        if at >= RECENT_EVENTS {
            return;
        }
        let properties = event.properties.as_deref().filter(|json| json.len() <= MAX_RECENT_PROPERTIES_BYTES);
        let recent = RecentEvent {
            timestamp: event.timestamp,
            message_id: message_id.clone(),
            kind: event.kind,
            name: event.event.as_deref().or(event.name.as_deref()).map(text),
            source: source.clone(),
            properties: properties.map(text),
        };
        self.recent.insert(at, recent);
        self.recent.truncate(RECENT_EVENTS);
    }

    /// Forgets what can't matter any more: offsets that were checkpointed, and messages whose window had passed when
    /// `arrived_at` came, the newest that was applied.
    pub fn forget(&mut self, in_flight: &impl InFlight, arrived_at: Timestamp) {
        self.applied.retain(|(partition, offset)| in_flight.may_return(partition, *offset));
        self.refused.retain(|refusal| in_flight.may_return(&refusal.partition, refusal.through));
        self.seen.forget(in_flight, arrived_at);
    }
}

impl Refusal {
    fn is_of(&self, partition: &PartitionId, offset: Offset) -> bool {
        self.partition == *partition && Some(offset) > self.after && offset <= self.through
    }
}

fn text(text: &str) -> ByteString {
    ByteString::from(text)
}
