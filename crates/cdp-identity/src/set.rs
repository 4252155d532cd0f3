//! One person's profiles, as the root keeps them: members, edges, identifiers.

use cdp_event::{Identifier, Namespace, Offset, PartitionId, Timestamp};

use crate::{Limit, ProfileId, Rules};

/// An identifier that a member has claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub identifier: Identifier<'static>,
    pub profile: ProfileId,
    pub claimed_at: Timestamp,
    pub source: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeKind {
    /// Both profiles' identifiers stood in one event.
    Shared,
    /// A producer said so.
    Alias,
}

/// Why two profiles are one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    pub one: ProfileId,
    pub other: ProfileId,
    pub kind: EdgeKind,
    /// The identifier that joined `other`.
    pub through: Identifier<'static>,
    pub partition: PartitionId,
    pub offset: Offset,
    pub made_at: Timestamp,
    pub rules: String,
}

/// What each takes beside its texts: ids of 16 bytes, a moment, a place, and the tags and lengths of fields.
const MEMBER_BYTES: usize = 18;
const HELD_BYTES: usize = 48;
const EDGE_BYTES: usize = 96;

fn bytes_of(identifier: &Identifier<'_>) -> usize {
    identifier.namespace.as_str().len() + identifier.value.len()
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentitySet {
    /// Invariant: sorted, without duplicates, never empty. The first one is the canonical profile.
    members: Vec<ProfileId>,
    pub edges: Vec<Edge>,
    pub held: Vec<Held>,
    /// How many user ids this person has by alias, beyond what the limit of user ids allows.
    pub aliases: usize,
    /// Grows at each change, also across a merge.
    pub revision: u64,
}

impl IdentitySet {
    pub fn new(root: ProfileId) -> Self {
        Self { members: vec![root], edges: vec![], held: vec![], aliases: 0, revision: 0 }
    }

    pub(crate) fn from_parts(
        mut members: Vec<ProfileId>,
        edges: Vec<Edge>,
        held: Vec<Held>,
        aliases: usize,
        revision: u64,
    ) -> Option<Self> {
        members.sort_unstable();
        members.dedup();
        (!members.is_empty()).then_some(Self { members, edges, held, aliases, revision })
    }

    pub fn root(&self) -> ProfileId {
        self.members[0]
    }

    pub fn members(&self) -> &[ProfileId] {
        &self.members
    }

    pub(crate) fn hold(&mut self, held: Held) {
        self.held.push(held);
    }

    /// Both sets as one. The revision is above both.
    pub(crate) fn join(mut self, other: Self, edge: Edge) -> Self {
        self.members.extend(other.members);
        self.members.sort_unstable();
        self.members.dedup();
        self.edges.extend(other.edges);
        self.edges.push(edge);
        self.held.extend(other.held);
        self.aliases += other.aliases;
        self.revision = self.revision.max(other.revision);
        self
    }

    /// About what it takes when it is stored; not less.
    pub fn bytes(&self) -> usize {
        let held = self.held.iter().map(|held| HELD_BYTES + bytes_of(&held.identifier) + held.source.len());
        let edges = self
            .edges
            .iter()
            .map(|edge| EDGE_BYTES + bytes_of(&edge.through) + edge.partition.as_str().len() + edge.rules.len());
        held.chain(edges).sum::<usize>() + self.members.len() * MEMBER_BYTES
    }

    /// How many values of `namespace` count against `limit` at `now`.
    fn counted(&self, namespace: &Namespace, limit: Limit, now: Timestamp) -> usize {
        let in_period = |held: &&Held| match limit.period {
            None => true,
            Some(period) => now.as_ms().saturating_sub(held.claimed_at.as_ms()) < period.as_millis() as i64,
        };
        self.held.iter().filter(|held| held.identifier.namespace == *namespace).filter(in_period).count()
    }
}

/// Which rule forbids that these become one person; `None`: they may. `aliases`: user ids that an alias adds now.
pub(crate) fn forbids(
    rules: &Rules,
    sets: &[&IdentitySet],
    new: &[Identifier<'_>],
    aliases: usize,
    now: Timestamp,
) -> Option<String> {
    let merges: usize = sets.iter().map(|set| set.edges.len()).sum::<usize>() + sets.len().saturating_sub(1);
    if merges > rules.caps.merges {
        return Some(format!("cap.merges={}", rules.caps.merges));
    }
    let held: usize = sets.iter().map(|set| set.held.len()).sum::<usize>() + new.len();
    if held > rules.caps.identifiers {
        return Some(format!("cap.identifiers={}", rules.caps.identifiers));
    }
    let bytes = sets.iter().map(|set| set.bytes()).sum::<usize>()
        + new.iter().map(|id| HELD_BYTES + bytes_of(id)).sum::<usize>();
    if bytes > rules.caps.bytes {
        return Some(format!("cap.bytes={}", rules.caps.bytes));
    }
    let aliased = sets.iter().map(|set| set.aliases).sum::<usize>() + aliases;
    if aliased > rules.caps.aliases {
        return Some(format!("cap.aliases={}", rules.caps.aliases));
    }
    let touched = new.iter().map(|id| &id.namespace);
    // With one set, only what is new can go too far; with two, whatever both hold.
    let common = sets.iter().skip(1).flat_map(|set| set.held.iter().map(|held| &held.identifier.namespace));
    let mut checked: Vec<&Namespace> = Vec::new();
    for namespace in touched.chain(common) {
        if checked.contains(&namespace) {
            continue;
        }
        checked.push(namespace);
        let limit = rules.limit(namespace);
        let unique = rules.is_unique(namespace);
        let by_alias = if *namespace == Namespace::USER_ID && !unique { aliased } else { 0 };
        let counted: usize = sets.iter().map(|set| set.counted(namespace, limit, now)).sum();
        let added = new.iter().filter(|id| id.namespace == *namespace).count();
        if unique && counted + added > 1 {
            return Some(format!("unique.{namespace}"));
        }
        if counted + added > limit.values + by_alias {
            return Some(format!("limit.{namespace}={}", limit.values));
        }
    }
    None
}
