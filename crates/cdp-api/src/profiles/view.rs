//! A profile on the wire. Views borrow: nothing is copied before it is written out.

use std::collections::BTreeMap;

use bytestring::ByteString;
use cdp_app::Found;
use cdp_event::{EventKind, Timestamp};
use cdp_identity::{Edge, EdgeKind, Held};
use cdp_profile::{Member, RecentEvent, Trait};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// RFC 3339 in UTC, with milliseconds.
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub(super) struct Moment(Timestamp);

impl From<Timestamp> for Moment {
    fn from(moment: Timestamp) -> Self {
        Self(moment)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// JSON text that was checked when it was taken in: it is written as it stands.
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(value_type = Value)]
pub(super) struct Json<'a>(pub &'a str);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_str::<&RawValue>(self.0) {
            Ok(raw) => raw.serialize(serializer),
            Err(_) => serializer.serialize_unit(),
        }
    }
}

/// A person, as one canonical profile.
#[derive(Serialize, ToSchema)]
#[schema(as = Profile)]
pub(super) struct ProfileView<'a> {
    /// The canonical profile, which is the oldest of the person's.
    #[schema(example = "prf_01jbk2v0m8x1p5r7t9w3y6z8ac")]
    id: String,
    /// Always true: whoever asks for a profile that was merged is shown the one that it is part of.
    canonical: bool,
    #[schema(value_type = BTreeMap<String, TraitView>)]
    traits: Traits<'a>,
    identifiers: Vec<IdentifierView<'a>>,
    audiences: Vec<String>,
    /// Of the person's events, by their own time stamps.
    first_seen: Option<Moment>,
    last_seen: Option<Moment>,
    created_at: Moment,
    events: EventsView<'a>,
    /// Newest first, the last 5.
    recent_events: Vec<RecentEventView<'a>>,
    /// With `include=members`.
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<MemberView<'a>>>,
    /// With `include=edges`.
    #[serde(skip_serializing_if = "Option::is_none")]
    edges: Option<Vec<EdgeView<'a>>>,
}

/// What is shown on request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Include {
    pub members: bool,
    pub edges: bool,
}

impl<'a> ProfileView<'a> {
    pub fn of(found: &'a Found, include: Include) -> Self {
        let Found { set, members, person, .. } = found;
        Self {
            id: set.root().to_string(),
            canonical: true,
            traits: Traits(&person.traits),
            identifiers: set.held.iter().map(IdentifierView::from).collect(),
            audiences: vec![],
            first_seen: person.first_seen.map(Moment),
            last_seen: person.last_seen.map(Moment),
            created_at: Moment(set.root().created_at()),
            events: EventsView { total: person.events, by_name: &person.counts },
            recent_events: person.recent.iter().map(RecentEventView::from).collect(),
            members: include.members.then(|| members.iter().map(MemberView::from).collect()),
            edges: include.edges.then(|| set.edges.iter().map(EdgeView::from).collect()),
        }
    }
}

struct Traits<'a>(&'a BTreeMap<ByteString, Trait>);

impl Serialize for Traits<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (&**name, TraitView::from(value))))
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Trait)]
struct TraitView<'a> {
    value: Json<'a>,
    updated_at: Moment,
    /// Who set it.
    source: &'a str,
    message_id: &'a str,
}

impl<'a> From<&'a Trait> for TraitView<'a> {
    fn from(value: &'a Trait) -> Self {
        Self {
            value: Json(&value.value),
            updated_at: Moment(value.set_at),
            source: &value.source,
            message_id: &value.message_id,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Identifier)]
struct IdentifierView<'a> {
    namespace: &'a str,
    value: &'a str,
    /// The profile that claimed it.
    profile: String,
    claimed_at: Moment,
    source: &'a str,
}

impl<'a> From<&'a Held> for IdentifierView<'a> {
    fn from(held: &'a Held) -> Self {
        Self {
            namespace: held.identifier.namespace.as_str(),
            value: &held.identifier.value,
            profile: held.profile.to_string(),
            claimed_at: Moment(held.claimed_at),
            source: &held.source,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = EventCounts)]
struct EventsView<'a> {
    total: u64,
    /// A track event counts by its name, any other by its type.
    #[schema(value_type = BTreeMap<String, u64>)]
    by_name: &'a BTreeMap<ByteString, u64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RecentEvent)]
struct RecentEventView<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    /// Of a track event.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    /// Of a page or screen.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    timestamp: Moment,
    message_id: &'a str,
    source: &'a str,
    /// Absent where they are long: the `events` table has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<Json<'a>>,
}

impl<'a> From<&'a RecentEvent> for RecentEventView<'a> {
    fn from(event: &'a RecentEvent) -> Self {
        let name = event.name.as_deref();
        let is_track = event.kind == EventKind::Track;
        Self {
            kind: event.kind.as_str(),
            event: name.filter(|_| is_track),
            name: name.filter(|_| !is_track),
            timestamp: Moment(event.timestamp),
            message_id: &event.message_id,
            source: &event.source,
            properties: event.properties.as_deref().map(Json),
        }
    }
}

/// One of the profiles that the person is made of.
#[derive(Serialize, ToSchema)]
#[schema(as = Member)]
struct MemberView<'a> {
    id: String,
    created_at: Moment,
    first_seen: Option<Moment>,
    last_seen: Option<Moment>,
    events: EventsView<'a>,
    /// Messages that a producer sent again.
    duplicates: u64,
}

impl<'a> From<&'a Member> for MemberView<'a> {
    fn from(member: &'a Member) -> Self {
        Self {
            id: member.id.to_string(),
            created_at: Moment(member.id.created_at()),
            first_seen: member.first_seen.map(Moment),
            last_seen: member.last_seen.map(Moment),
            events: EventsView { total: member.events, by_name: &member.counts },
            duplicates: member.duplicates,
        }
    }
}

/// Why two profiles are one person.
#[derive(Serialize, ToSchema)]
#[schema(as = Edge)]
struct EdgeView<'a> {
    one: String,
    other: String,
    /// `shared`: an event named both. `alias`: a producer said so.
    kind: &'static str,
    /// The identifier that joined `other`, as NAMESPACE:VALUE.
    through: String,
    made_at: Moment,
    /// Where the event stands that made it.
    partition: &'a str,
    sequence: String,
    /// The version of the rules that allowed it.
    rules: &'a str,
}

impl<'a> From<&'a Edge> for EdgeView<'a> {
    fn from(edge: &'a Edge) -> Self {
        Self {
            one: edge.one.to_string(),
            other: edge.other.to_string(),
            kind: match edge.kind {
                EdgeKind::Shared => "shared",
                EdgeKind::Alias => "alias",
            },
            through: edge.through.to_string(),
            made_at: Moment(edge.made_at),
            partition: edge.partition.as_str(),
            sequence: edge.offset.sequence.to_string(),
            rules: &edge.rules,
        }
    }
}
