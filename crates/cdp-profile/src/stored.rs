//! A member as State keeps it: protobuf, so that fields can be added. Partitions are named once, and then by number. Texts
//! are read and written as bytes, which are shared and not copied.

use bytes::Bytes;
use bytestring::ByteString;
use cdp_event::{EventKind, Offset, PartitionId, Sequence, Timestamp};
use cdp_identity::{BadItem, ProfileId};
use prost::Message;

use crate::member::{Memory, Outline, Refusal};
use crate::seen::{HASH_BYTES, Place, Seen};
use crate::{Member, RecentEvent, Trait};

/// Its item's key has its id.
#[derive(Clone, PartialEq, Message)]
struct StoredMember {
    #[prost(sint64, optional, tag = "2")]
    first_seen_ms: Option<i64>,
    #[prost(sint64, optional, tag = "3")]
    last_seen_ms: Option<i64>,
    #[prost(message, optional, tag = "4")]
    first_message: Option<StoredMessage>,
    #[prost(message, optional, tag = "5")]
    last_message: Option<StoredMessage>,
    #[prost(uint64, tag = "6")]
    events: u64,
    #[prost(uint64, tag = "7")]
    duplicates: u64,
    #[prost(message, repeated, tag = "8")]
    counts: Vec<StoredCount>,
    #[prost(message, repeated, tag = "9")]
    traits: Vec<StoredTrait>,
    #[prost(message, repeated, tag = "10")]
    recent: Vec<StoredEvent>,
    #[prost(string, repeated, tag = "12")]
    partitions: Vec<String>,
    #[prost(message, repeated, tag = "13")]
    applied: Vec<StoredPlace>,
    #[prost(sint64, optional, tag = "14")]
    updated_at_ms: Option<i64>,
    /// [`HASH_BYTES`] each.
    #[prost(bytes = "bytes", tag = "15")]
    seen_hashes: Bytes,
    /// Each less the one before.
    #[prost(sint64, repeated, tag = "16")]
    seen_arrivals_s: Vec<i64>,
    #[prost(message, repeated, tag = "17")]
    seen_places: Vec<StoredSeenPlace>,
    #[prost(message, repeated, tag = "18")]
    refused: Vec<StoredRefusal>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredMessage {
    #[prost(bytes = "bytes", tag = "1")]
    id: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    source: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct StoredCount {
    #[prost(bytes = "bytes", tag = "1")]
    label: Bytes,
    #[prost(uint64, tag = "2")]
    count: u64,
}

#[derive(Clone, PartialEq, Message)]
struct StoredTrait {
    #[prost(bytes = "bytes", tag = "1")]
    name: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
    #[prost(sint64, tag = "3")]
    set_at_ms: i64,
    #[prost(bytes = "bytes", tag = "4")]
    message_id: Bytes,
    #[prost(bytes = "bytes", tag = "5")]
    source: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct StoredEvent {
    #[prost(sint64, tag = "1")]
    timestamp_ms: i64,
    #[prost(bytes = "bytes", tag = "2")]
    message_id: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    kind: Bytes,
    #[prost(bytes = "bytes", optional, tag = "4")]
    name: Option<Bytes>,
    #[prost(bytes = "bytes", tag = "5")]
    source: Bytes,
    #[prost(bytes = "bytes", optional, tag = "6")]
    properties: Option<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredSeenPlace {
    /// An index into `seen_hashes`.
    #[prost(uint32, tag = "1")]
    at: u32,
    #[prost(message, required, tag = "2")]
    place: StoredPlace,
}

#[derive(Clone, PartialEq, Message)]
struct StoredRefusal {
    /// Of the same partition as `through`.
    #[prost(message, optional, tag = "1")]
    after: Option<StoredPlace>,
    #[prost(message, required, tag = "2")]
    through: StoredPlace,
}

/// `number` is an index into `partitions`.
#[derive(Clone, PartialEq, Message)]
struct StoredPlace {
    #[prost(uint32, tag = "1")]
    number: u32,
    #[prost(uint64, tag = "2")]
    sequence: u64,
    #[prost(uint32, tag = "3")]
    sub: u32,
    /// In place of `sequence`, where that does not fit 64 bits.
    #[prost(bytes = "bytes", optional, tag = "4")]
    long_sequence: Option<Bytes>,
}

impl Member {
    pub fn encode(mut self) -> Bytes {
        let Memory { seen, applied, refused } = self.take_memory();
        let (seen_hashes, seen_arrivals_s, seen_places) = seen.into_columns();
        let mut partitions = Vec::new();
        let stored = StoredMember {
            first_seen_ms: self.first_seen.map(Timestamp::as_ms),
            last_seen_ms: self.last_seen.map(Timestamp::as_ms),
            updated_at_ms: self.updated_at.map(Timestamp::as_ms),
            first_message: self.first_message.map(StoredMessage::from),
            last_message: self.last_message.map(StoredMessage::from),
            events: self.events,
            duplicates: self.duplicates,
            counts: self.counts.into_iter().map(StoredCount::from).collect(),
            traits: self.traits.into_iter().map(StoredTrait::from).collect(),
            recent: self.recent.into_iter().map(StoredEvent::from).collect(),
            seen_hashes: hashes_to_bytes(&seen_hashes),
            seen_arrivals_s: differences(seen_arrivals_s),
            seen_places: seen_places.iter().map(|place| StoredSeenPlace::new(place, &mut partitions)).collect(),
            applied: applied.iter().map(|(p, o)| StoredPlace::new(p, *o, &mut partitions)).collect(),
            refused: refused.iter().map(|refusal| StoredRefusal::new(refusal, &mut partitions)).collect(),
            partitions,
        };
        stored.encode_to_vec().into()
    }

    pub fn decode(body: Bytes, id: ProfileId) -> Result<Self, BadItem> {
        let stored = StoredMember::decode(body).map_err(|e| BadItem::new("profile", e))?;
        let partitions: Vec<PartitionId> = stored.partitions.iter().map(PartitionId::new).collect();
        let places = stored.seen_places.into_iter().map(|place| place.read(&partitions)).collect::<Result<_, _>>()?;
        let hashes = hashes_of_bytes(&stored.seen_hashes)?;
        let seen = Seen::new(hashes, sums(stored.seen_arrivals_s), places).ok_or_else(|| {
            BadItem::new("profile", "its messages, their arrivals and their places do not belong together")
        })?;
        let applied = stored.applied.into_iter().map(|place| place.read(&partitions)).collect::<Result<_, _>>()?;
        let refused = stored.refused.into_iter().map(|refusal| refusal.read(&partitions)).collect::<Result<_, _>>()?;
        let mut member = Self::new(id).with_memory(Memory { seen, applied, refused });
        member.first_seen = stored.first_seen_ms.map(Timestamp::from_ms);
        member.last_seen = stored.last_seen_ms.map(Timestamp::from_ms);
        member.updated_at = stored.updated_at_ms.map(Timestamp::from_ms);
        member.first_message = stored.first_message.map(StoredMessage::read).transpose()?;
        member.last_message = stored.last_message.map(StoredMessage::read).transpose()?;
        member.events = stored.events;
        member.duplicates = stored.duplicates;
        member.counts = stored.counts.into_iter().map(StoredCount::read).collect::<Result<_, _>>()?;
        member.traits = stored.traits.into_iter().map(StoredTrait::read).collect::<Result<_, _>>()?;
        member.recent = stored.recent.into_iter().map(StoredEvent::read).collect::<Result<_, _>>()?;
        Ok(member)
    }
}

/// A part of [`StoredMember`]: the reader passes over the rest.
#[derive(Clone, PartialEq, Message)]
struct StoredOutline {
    #[prost(sint64, optional, tag = "2")]
    first_seen_ms: Option<i64>,
    #[prost(sint64, optional, tag = "3")]
    last_seen_ms: Option<i64>,
    #[prost(uint64, tag = "6")]
    events: u64,
    #[prost(message, repeated, tag = "8")]
    counts: Vec<StoredCount>,
    #[prost(message, repeated, tag = "9")]
    traits: Vec<StoredTrait>,
}

impl Outline {
    pub fn decode(body: Bytes, id: ProfileId) -> Result<Self, BadItem> {
        let stored = StoredOutline::decode(body).map_err(|e| BadItem::new("profile", e))?;
        let mut member = Member::new(id);
        member.first_seen = stored.first_seen_ms.map(Timestamp::from_ms);
        member.last_seen = stored.last_seen_ms.map(Timestamp::from_ms);
        member.events = stored.events;
        member.counts = stored.counts.into_iter().map(StoredCount::read).collect::<Result<_, _>>()?;
        member.traits = stored.traits.into_iter().map(StoredTrait::read).collect::<Result<_, _>>()?;
        Ok(Self(member))
    }
}

fn hashes_to_bytes(hashes: &[u64]) -> Bytes {
    hashes.iter().flat_map(|hash| hash.to_le_bytes().into_iter().take(HASH_BYTES)).collect()
}

fn hashes_of_bytes(bytes: &[u8]) -> Result<Vec<u64>, BadItem> {
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    if !rest.is_empty() {
        return Err(BadItem::new("profile", "a message's hash is cut short"));
    }
    let hash = |bytes: &[u8; HASH_BYTES]| bytes.iter().rev().fold(0, |hash, byte| hash << 8 | u64::from(*byte));
    Ok(hashes.iter().map(hash).collect())
}

fn text(bytes: Bytes) -> Result<ByteString, BadItem> {
    ByteString::try_from(bytes).map_err(|error| BadItem::new("profile", error))
}

impl From<(ByteString, ByteString)> for StoredMessage {
    fn from((id, source): (ByteString, ByteString)) -> Self {
        Self { id: id.into_bytes(), source: source.into_bytes() }
    }
}

impl StoredMessage {
    fn read(self) -> Result<(ByteString, ByteString), BadItem> {
        Ok((text(self.id)?, text(self.source)?))
    }
}

impl From<(ByteString, u64)> for StoredCount {
    fn from((label, count): (ByteString, u64)) -> Self {
        Self { label: label.into_bytes(), count }
    }
}

impl StoredCount {
    fn read(self) -> Result<(ByteString, u64), BadItem> {
        Ok((text(self.label)?, self.count))
    }
}

impl From<(ByteString, Trait)> for StoredTrait {
    fn from((name, value): (ByteString, Trait)) -> Self {
        Self {
            name: name.into_bytes(),
            value: value.value.into_bytes(),
            set_at_ms: value.set_at.as_ms(),
            message_id: value.message_id.into_bytes(),
            source: value.source.into_bytes(),
        }
    }
}

impl StoredTrait {
    fn read(self) -> Result<(ByteString, Trait), BadItem> {
        let value = Trait {
            value: text(self.value)?,
            set_at: Timestamp::from_ms(self.set_at_ms),
            message_id: text(self.message_id)?,
            source: text(self.source)?,
        };
        Ok((text(self.name)?, value))
    }
}

impl From<RecentEvent> for StoredEvent {
    fn from(event: RecentEvent) -> Self {
        Self {
            timestamp_ms: event.timestamp.as_ms(),
            message_id: event.message_id.into_bytes(),
            kind: Bytes::from_static(event.kind.as_str().as_bytes()),
            name: event.name.map(ByteString::into_bytes),
            source: event.source.into_bytes(),
            properties: event.properties.map(ByteString::into_bytes),
        }
    }
}

impl StoredEvent {
    fn read(self) -> Result<RecentEvent, BadItem> {
        let kind: EventKind = text(self.kind)?.parse().map_err(|e| BadItem::new("recent event", e))?;
        Ok(RecentEvent {
            timestamp: Timestamp::from_ms(self.timestamp_ms),
            message_id: text(self.message_id)?,
            kind,
            name: self.name.map(text).transpose()?,
            source: text(self.source)?,
            properties: self.properties.map(text).transpose()?,
        })
    }
}

impl StoredSeenPlace {
    fn new(Place { at, partition, offset }: &Place, partitions: &mut Vec<String>) -> Self {
        Self { at: *at as u32, place: StoredPlace::new(partition, *offset, partitions) }
    }

    fn read(self, partitions: &[PartitionId]) -> Result<Place, BadItem> {
        let (partition, offset) = self.place.read(partitions)?;
        Ok(Place { at: self.at as usize, partition, offset })
    }
}

impl StoredRefusal {
    fn new(Refusal { partition, after, through }: &Refusal, partitions: &mut Vec<String>) -> Self {
        Self {
            after: after.map(|after| StoredPlace::new(partition, after, partitions)),
            through: StoredPlace::new(partition, *through, partitions),
        }
    }

    fn read(self, partitions: &[PartitionId]) -> Result<Refusal, BadItem> {
        let after = self.after.map(|after| after.read(partitions)).transpose()?.map(|(_, after)| after);
        let (partition, through) = self.through.read(partitions)?;
        Ok(Refusal { partition, after, through })
    }
}

/// Each number less the one before: arrivals are close to each other, and small numbers take few bytes.
fn differences(mut numbers: Vec<i64>) -> Vec<i64> {
    let mut before = 0;
    for number in &mut numbers {
        (before, *number) = (*number, number.wrapping_sub(before));
    }
    numbers
}

fn sums(mut differences: Vec<i64>) -> Vec<i64> {
    let mut sum = 0i64;
    for number in &mut differences {
        sum = sum.wrapping_add(*number);
        *number = sum;
    }
    differences
}

impl StoredPlace {
    fn new(partition: &PartitionId, offset: Offset, partitions: &mut Vec<String>) -> Self {
        let known = partitions.iter().position(|name| name == partition.as_str());
        let number = known.unwrap_or_else(|| {
            partitions.push(partition.as_str().to_owned());
            partitions.len() - 1
        });
        let short = offset.sequence.as_u64();
        Self {
            number: number as u32,
            sequence: short.unwrap_or_default(),
            sub: offset.sub,
            long_sequence: short.is_none().then(|| Bytes::copy_from_slice(&offset.sequence.to_be_bytes())),
        }
    }

    fn read(self, partitions: &[PartitionId]) -> Result<(PartitionId, Offset), BadItem> {
        let partition =
            partitions.get(self.number as usize).ok_or_else(|| BadItem::new("place", "no such partition"))?;
        let sequence = match &self.long_sequence {
            None => Sequence::from(self.sequence),
            Some(bytes) => Sequence::from_be_bytes(bytes).ok_or_else(|| BadItem::new("place", "sequence too long"))?,
        };
        Ok((partition.clone(), Offset::new(sequence, self.sub)))
    }
}
