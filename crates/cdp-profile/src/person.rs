//! The person: the fold of the members of one identity set.

use std::collections::BTreeMap;

use bytestring::ByteString;
use cdp_event::Timestamp;
use cdp_identity::ProfileId;

use crate::{Member, Outline, RECENT_EVENTS, RecentEvent, Trait};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Sorted; the first one is canonical.
    pub members: Vec<ProfileId>,
    pub first_seen: Option<Timestamp>,
    pub last_seen: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    pub events: u64,
    pub duplicates: u64,
    pub counts: BTreeMap<ByteString, u64>,
    pub traits: BTreeMap<ByteString, Trait>,
    /// Newest first.
    pub recent: Vec<RecentEvent>,
}

impl Person {
    /// Commutative and associative over members; a member that is there already changes nothing.
    pub fn fold(mut self, member: &Member) -> Self {
        let Err(place) = self.members.binary_search(&member.id) else { return self };
        self.members.insert(place, member.id);
        self.first_seen = earliest(self.first_seen, member.first_seen);
        self.last_seen = self.last_seen.max(member.last_seen);
        self.updated_at = self.updated_at.max(member.updated_at);
        self.events += member.events;
        self.duplicates += member.duplicates;
        for (label, count) in &member.counts {
            *self.counts.entry(label.clone()).or_default() += count;
        }
        for (name, new) in &member.traits {
            match self.traits.get(name) {
                Some(old) if !new.is_newer_than(old) => {}
                Some(_) | None => {
                    self.traits.insert(name.clone(), new.clone());
                }
            }
        }
        self.recent.extend(member.recent.iter().cloned());
        self.recent.sort_by(|a, b| b.rank().cmp(&a.rank()));
        self.recent.truncate(RECENT_EVENTS);
        self
    }

    pub fn of<'m>(members: impl IntoIterator<Item = &'m Member>) -> Self {
        members.into_iter().fold(Self::default(), Self::fold)
    }

    /// The person as far as the tables tell: no recent events.
    pub fn outlined(outlines: impl IntoIterator<Item = Outline>) -> Self {
        let mut outlines = outlines.into_iter();
        let first = outlines.next().map(|Outline(member)| Self::from(member)).unwrap_or_default();
        outlines.fold(first, |person, Outline(member)| person.fold(&member))
    }

    /// Traits as one JSON object.
    pub fn traits_json(&self) -> String {
        let mut json = String::from("{");
        for (name, value) in &self.traits {
            if json.len() > 1 {
                json.push(',');
            }
            json.push_str(&serde_json::to_string(&**name).unwrap_or_default());
            json.push(':');
            json.push_str(&value.value);
        }
        json.push('}');
        json
    }
}

impl From<Member> for Person {
    fn from(member: Member) -> Self {
        Self {
            members: vec![member.id],
            first_seen: member.first_seen,
            last_seen: member.last_seen,
            updated_at: member.updated_at,
            events: member.events,
            duplicates: member.duplicates,
            counts: member.counts,
            traits: member.traits,
            recent: member.recent,
        }
    }
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
