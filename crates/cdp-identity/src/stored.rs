//! Claims, sets and belongings as State keeps them: protobuf, so that fields can be added.

use std::borrow::Cow;

use bytes::Bytes;
use cdp_event::{Identifier, Namespace, Offset, PartitionId, Sequence, Timestamp};
use prost::Message;

use crate::{Edge, EdgeKind, Held, IdentitySet, ProfileId};

#[derive(Debug, thiserror::Error)]
#[error("a stored {what} can't be read: {why}")]
pub struct BadItem {
    what: &'static str,
    why: String,
}

impl BadItem {
    pub fn new(what: &'static str, why: impl ToString) -> Self {
        Self { what, why: why.to_string() }
    }
}

/// Who has an identifier, and which event claimed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub profile: ProfileId,
    pub partition: PartitionId,
    pub offset: Offset,
    /// Where the profile's first claims are all that tells of it until an event is applied to it.
    pub founded: Option<Founded>,
}

/// The set that a profile began with, as each of its first claims has it. Whoever only wants to know the claimant does not read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founded(Bytes);

/// Whose a profile is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Belonging {
    /// A person by itself, with this set.
    Alone(IdentitySet),
    /// Of the set that has an item of its own at this profile, or of the one that that set was merged into.
    To(ProfileId),
}

/// A set with an item of its own: at its root, or where a root was that is part of another set now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetItem {
    Root(IdentitySet),
    MergedInto(ProfileId),
}

#[derive(Clone, PartialEq, Message)]
struct StoredClaim {
    #[prost(bytes = "bytes", tag = "1")]
    profile: Bytes,
    #[prost(message, optional, tag = "2")]
    place: Option<StoredPlace>,
    /// A [`StoredSet`].
    #[prost(bytes = "bytes", optional, tag = "3")]
    founded: Option<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredBelonging {
    #[prost(bytes = "bytes", optional, tag = "1")]
    to: Option<Bytes>,
    #[prost(message, optional, tag = "2")]
    alone: Option<StoredSet>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredPlace {
    #[prost(string, tag = "1")]
    partition: String,
    #[prost(bytes = "bytes", tag = "2")]
    sequence: Bytes,
    #[prost(uint32, tag = "3")]
    sub: u32,
}

#[derive(Clone, PartialEq, Message)]
struct StoredSet {
    #[prost(bytes = "bytes", optional, tag = "1")]
    merged_into: Option<Bytes>,
    /// Empty: it is the set of one profile, which is known from where it stands.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    members: Vec<Bytes>,
    #[prost(message, repeated, tag = "3")]
    edges: Vec<StoredEdge>,
    #[prost(message, repeated, tag = "4")]
    held: Vec<StoredHeld>,
    #[prost(uint64, tag = "5")]
    aliases: u64,
    #[prost(uint64, tag = "6")]
    revision: u64,
}

#[derive(Clone, PartialEq, Message)]
struct StoredEdge {
    #[prost(bytes = "bytes", tag = "1")]
    one: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    other: Bytes,
    #[prost(bool, tag = "3")]
    by_alias: bool,
    #[prost(string, tag = "4")]
    namespace: String,
    #[prost(string, tag = "5")]
    value: String,
    #[prost(message, optional, tag = "6")]
    place: Option<StoredPlace>,
    #[prost(sint64, tag = "7")]
    made_at_ms: i64,
    #[prost(string, tag = "8")]
    rules: String,
}

#[derive(Clone, PartialEq, Message)]
struct StoredHeld {
    #[prost(string, tag = "1")]
    namespace: String,
    #[prost(string, tag = "2")]
    value: String,
    /// Empty: of a set of one.
    #[prost(bytes = "bytes", tag = "3")]
    profile: Bytes,
    #[prost(sint64, tag = "4")]
    claimed_at_ms: i64,
    #[prost(string, tag = "5")]
    source: String,
}

impl Claim {
    pub fn encode(&self) -> Bytes {
        let place = Some(StoredPlace::new(&self.partition, self.offset));
        let founded = self.founded.clone().map(|founded| founded.0);
        StoredClaim { profile: to_bytes(self.profile), place, founded }.encode_to_vec().into()
    }

    pub fn decode(body: Bytes) -> Result<Self, BadItem> {
        let stored = StoredClaim::decode(body).map_err(|e| BadItem::new("claim", e))?;
        let (partition, offset) = StoredPlace::read(stored.place)?;
        Ok(Self { profile: profile_id(&stored.profile)?, partition, offset, founded: stored.founded.map(Founded) })
    }
}

impl Founded {
    /// `set`: of one profile.
    pub fn with(set: &IdentitySet) -> Self {
        Self(StoredSet::alone(set).encode_to_vec().into())
    }

    pub fn read(self, profile: ProfileId) -> Result<IdentitySet, BadItem> {
        StoredSet::decode(self.0).map_err(|e| BadItem::new("claim", e))?.read_alone(profile)
    }
}

impl Belonging {
    pub fn encode(&self) -> Bytes {
        let stored = match self {
            Self::Alone(set) => StoredBelonging { to: None, alone: Some(StoredSet::alone(set)) },
            Self::To(root) => StoredBelonging { to: Some(to_bytes(*root)), alone: None },
        };
        stored.encode_to_vec().into()
    }

    /// `profile`: whose belonging it is.
    pub fn decode(body: Bytes, profile: ProfileId) -> Result<Self, BadItem> {
        let stored = StoredBelonging::decode(body).map_err(|e| BadItem::new("belonging", e))?;
        match (stored.to, stored.alone) {
            (Some(root), None) => Ok(Self::To(profile_id(&root)?)),
            (None, Some(set)) => Ok(Self::Alone(set.read_alone(profile)?)),
            (Some(_), Some(_)) | (None, None) => Err(BadItem::new("belonging", "it names no set, or two")),
        }
    }
}

impl SetItem {
    pub fn encode(&self) -> Bytes {
        let stored = match self {
            Self::MergedInto(root) => StoredSet { merged_into: Some(to_bytes(*root)), ..StoredSet::default() },
            Self::Root(set) => StoredSet::from(set),
        };
        stored.encode_to_vec().into()
    }

    pub fn decode(body: Bytes) -> Result<Self, BadItem> {
        let stored = StoredSet::decode(body).map_err(|e| BadItem::new("identity set", e))?;
        match &stored.merged_into {
            Some(root) => Ok(Self::MergedInto(profile_id(root)?)),
            None => stored.read().map(Self::Root),
        }
    }
}

impl From<&IdentitySet> for StoredSet {
    fn from(set: &IdentitySet) -> Self {
        Self {
            merged_into: None,
            members: set.members().iter().map(|member| to_bytes(*member)).collect(),
            edges: set.edges.iter().map(StoredEdge::from).collect(),
            held: set.held.iter().map(StoredHeld::from).collect(),
            aliases: set.aliases as u64,
            revision: set.revision,
        }
    }
}

impl StoredSet {
    fn read(self) -> Result<IdentitySet, BadItem> {
        let members = self.members.iter().map(|member| profile_id(member)).collect::<Result<Vec<_>, _>>()?;
        let edges = self.edges.into_iter().map(Edge::try_from).collect::<Result<Vec<_>, _>>()?;
        let held = self.held.into_iter().map(Held::try_from).collect::<Result<Vec<_>, _>>()?;
        IdentitySet::from_parts(members, edges, held, self.aliases as usize, self.revision)
            .ok_or_else(|| BadItem::new("identity set", "it has no member"))
    }

    /// Without the only member's id: its item has it.
    fn alone(set: &IdentitySet) -> Self {
        let mut stored = Self::from(set);
        stored.members.clear();
        stored.held.iter_mut().for_each(|held| held.profile.clear());
        stored
    }

    fn read_alone(mut self, profile: ProfileId) -> Result<IdentitySet, BadItem> {
        let id = to_bytes(profile);
        self.held.iter_mut().for_each(|held| held.profile.clone_from(&id));
        self.members = vec![id];
        self.read()
    }
}

impl StoredPlace {
    fn new(partition: &PartitionId, offset: Offset) -> Self {
        let bytes = offset.sequence.to_be_bytes();
        let zeros = bytes.iter().take_while(|&&b| b == 0).count();
        Self {
            partition: partition.as_str().to_owned(),
            sequence: Bytes::copy_from_slice(&bytes[zeros..]),
            sub: offset.sub,
        }
    }

    fn read(stored: Option<Self>) -> Result<(PartitionId, Offset), BadItem> {
        let stored = stored.ok_or_else(|| BadItem::new("place", "it is absent"))?;
        let sequence = Sequence::from_be_bytes(&stored.sequence);
        let sequence = sequence.ok_or_else(|| BadItem::new("place", "its sequence number is too long"))?;
        Ok((PartitionId::new(stored.partition), Offset::new(sequence, stored.sub)))
    }
}

impl From<&Edge> for StoredEdge {
    fn from(edge: &Edge) -> Self {
        Self {
            one: to_bytes(edge.one),
            other: to_bytes(edge.other),
            by_alias: edge.kind == EdgeKind::Alias,
            namespace: edge.through.namespace.as_str().to_owned(),
            value: edge.through.value.to_string(),
            place: Some(StoredPlace::new(&edge.partition, edge.offset)),
            made_at_ms: edge.made_at.as_ms(),
            rules: edge.rules.clone(),
        }
    }
}

impl TryFrom<StoredEdge> for Edge {
    type Error = BadItem;

    fn try_from(stored: StoredEdge) -> Result<Self, BadItem> {
        let (partition, offset) = StoredPlace::read(stored.place)?;
        Ok(Self {
            one: profile_id(&stored.one)?,
            other: profile_id(&stored.other)?,
            kind: if stored.by_alias { EdgeKind::Alias } else { EdgeKind::Shared },
            through: identifier(&stored.namespace, stored.value)?,
            partition,
            offset,
            made_at: Timestamp::from_ms(stored.made_at_ms),
            rules: stored.rules,
        })
    }
}

impl From<&Held> for StoredHeld {
    fn from(held: &Held) -> Self {
        Self {
            namespace: held.identifier.namespace.as_str().to_owned(),
            value: held.identifier.value.to_string(),
            profile: to_bytes(held.profile),
            claimed_at_ms: held.claimed_at.as_ms(),
            source: held.source.clone(),
        }
    }
}

impl TryFrom<StoredHeld> for Held {
    type Error = BadItem;

    fn try_from(stored: StoredHeld) -> Result<Self, BadItem> {
        Ok(Self {
            identifier: identifier(&stored.namespace, stored.value)?,
            profile: profile_id(&stored.profile)?,
            claimed_at: Timestamp::from_ms(stored.claimed_at_ms),
            source: stored.source,
        })
    }
}

fn to_bytes(id: ProfileId) -> Bytes {
    Bytes::copy_from_slice(&id.to_bytes())
}

fn profile_id(bytes: &[u8]) -> Result<ProfileId, BadItem> {
    let bytes = bytes.try_into().map_err(|_| BadItem::new("profile id", format!("it has {} bytes", bytes.len())))?;
    Ok(ProfileId::from_bytes(bytes))
}

fn identifier(namespace: &str, value: String) -> Result<Identifier<'static>, BadItem> {
    let namespace: Namespace = namespace.parse().map_err(|e| BadItem::new("identifier", e))?;
    Ok(Identifier { namespace, value: Cow::Owned(value) })
}
