//! The decision for one event: whose it is, what it claims, whom it joins, and what a rule refused.
//!
//! Identifiers are taken in the order of priority. Each is accepted if the person, as gathered so far, may have it;
//! otherwise it is demoted: it stays in the event and joins nobody. (Segment drops from the lowest priority upward until
//! the rest fits, and so loses innocent identifiers with the guilty one; this keeps each that fits.) The first accepted
//! identifier names the profile that the event belongs to. It is never demoted, so the event's profile depends on a claim
//! alone, and a repeated delivery finds the same.

use std::collections::HashMap;

use cdp_event::{Identifier, Offset, PartitionId, Timestamp};

use crate::set::forbids;
use crate::{Edge, EdgeKind, Held, IdentitySet, ProfileId, Rules};

/// An identifier of the event, and who has claimed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    pub identifier: Identifier<'a>,
    pub claimed_by: Option<ProfileId>,
}

/// What is known of the profiles that have claimed the event's identifiers.
pub trait Known {
    /// The set that `profile` belongs to.
    fn set_of(&self, profile: ProfileId) -> Option<&IdentitySet>;
}

impl Known for HashMap<ProfileId, IdentitySet> {
    fn set_of(&self, profile: ProfileId) -> Option<&IdentitySet> {
        self.values().find(|set| set.members().contains(&profile))
    }
}

/// The event as identity sees it.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    pub partition: &'a PartitionId,
    pub offset: Offset,
    pub at: Timestamp,
    pub source: &'a str,
}

/// An identifier that a rule kept from joining.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demotion {
    pub identifier: Identifier<'static>,
    /// Who has it, if anybody.
    pub claimed_by: Option<ProfileId>,
    /// The rule, as it is named in the configuration: `limit.user_id=1`.
    pub rule: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The profile that the event belongs to.
    pub profile: ProfileId,
    /// New claims, each with its profile.
    pub claims: Vec<(Identifier<'static>, ProfileId)>,
    /// The set as it stands afterwards, if it changed.
    pub set: Option<IdentitySet>,
    /// Roots whose sets became part of `set`.
    pub absorbed: Vec<ProfileId>,
    pub edges: Vec<Edge>,
    pub demotions: Vec<Demotion>,
}

/// `candidates`: not blocked, each once. `alias`: a user's former name, if the event is an alias. `None` when there is no
/// candidate, or the set of a claiming profile is not known.
pub fn decide(
    mut candidates: Vec<Candidate<'_>>,
    alias: Option<Candidate<'_>>,
    known: &impl Known,
    rules: &Rules,
    occasion: Occasion<'_>,
) -> Option<Decision> {
    candidates.sort_by(|a, b| {
        let rank = |c: &Candidate<'_>| rules.priority(&c.identifier.namespace).0;
        rank(a).cmp(&rank(b)).then_with(|| a.identifier.cmp(&b.identifier))
    });
    let first_claimed_by = candidates.first()?.claimed_by;

    let mut person = Person::new(rules, occasion);
    for candidate in candidates {
        match candidate.claimed_by {
            None => person.take_new(candidate.identifier),
            Some(profile) => person.take_claimed(candidate.identifier, profile, known.set_of(profile)?),
        }
    }
    if let Some(alias) = alias {
        let set = match alias.claimed_by {
            Some(profile) => Some((profile, known.set_of(profile)?)),
            None => None,
        };
        person.take_alias(alias.identifier, set);
    }
    Some(person.decision(first_claimed_by))
}

/// What one event has gathered so far.
struct Person<'r> {
    rules: &'r Rules,
    occasion: Occasion<'r>,
    /// Accepted, and claimed by nobody yet.
    new: Vec<Identifier<'static>>,
    /// The accepted set, and the member that new claims go to.
    found: Option<(IdentitySet, ProfileId)>,
    roots: Vec<ProfileId>,
    edges: Vec<Edge>,
    demotions: Vec<Demotion>,
    aliases: usize,
}

impl<'r> Person<'r> {
    fn new(rules: &'r Rules, occasion: Occasion<'r>) -> Self {
        Self { rules, occasion, new: vec![], found: None, roots: vec![], edges: vec![], demotions: vec![], aliases: 0 }
    }

    fn take_new(&mut self, identifier: Identifier<'_>) {
        let identifier = identifier.into_owned();
        self.new.push(identifier.clone());
        let sets: Vec<&IdentitySet> = self.found.iter().map(|(set, _)| set).collect();
        let is_first = self.found.is_none() && self.new.len() == 1;
        if let Some(rule) = forbids(self.rules, &sets, &self.new, self.aliases, self.occasion.at).filter(|_| !is_first)
        {
            self.new.pop();
            self.demotions.push(Demotion { identifier, claimed_by: None, rule });
        }
    }

    fn take_claimed(&mut self, identifier: Identifier<'_>, profile: ProfileId, set: &IdentitySet) {
        let home = match &self.found {
            Some((own, _)) if own.members().contains(&profile) => return,
            Some((_, home)) => Some(*home),
            None => None,
        };
        let mut sets: Vec<&IdentitySet> = self.found.iter().map(|(own, _)| own).collect();
        sets.push(set);
        if let Some(rule) = forbids(self.rules, &sets, &self.new, self.aliases, self.occasion.at) {
            let nothing_yet = home.is_none() && self.new.is_empty();
            if !nothing_yet {
                let identifier = identifier.into_owned();
                self.demotions.push(Demotion { identifier, claimed_by: Some(profile), rule });
                return;
            }
        }
        self.absorb(set, home, profile, EdgeKind::Shared, identifier.into_owned());
    }

    /// A user's former name may exceed the limit of user ids: the producer vouches for it. Other limits hold.
    fn take_alias(&mut self, identifier: Identifier<'_>, set: Option<(ProfileId, &IdentitySet)>) {
        let identifier = identifier.into_owned();
        let already_one = set
            .is_some_and(|(profile, _)| self.found.as_ref().is_some_and(|(own, _)| own.members().contains(&profile)));
        if already_one {
            return;
        }
        self.aliases += 1;
        if set.is_none() {
            self.new.push(identifier.clone());
        }
        let sets: Vec<&IdentitySet> = self.found.iter().map(|(own, _)| own).chain(set.map(|(_, set)| set)).collect();
        if let Some(rule) = forbids(self.rules, &sets, &self.new, self.aliases, self.occasion.at) {
            self.aliases -= 1;
            if set.is_none() {
                self.new.pop();
            }
            self.demotions.push(Demotion { identifier, claimed_by: set.map(|(profile, _)| profile), rule });
            return;
        }
        if let Some((profile, set)) = set {
            let home = self.found.as_ref().map(|(_, home)| *home);
            self.absorb(set, home, profile, EdgeKind::Alias, identifier);
        }
    }

    fn absorb(
        &mut self,
        set: &IdentitySet,
        home: Option<ProfileId>,
        profile: ProfileId,
        kind: EdgeKind,
        through: Identifier<'static>,
    ) {
        self.roots.push(set.root());
        self.found = Some(match (self.found.take(), home) {
            (Some((own, _)), Some(home)) => {
                let edge = Edge {
                    one: home,
                    other: profile,
                    kind,
                    through,
                    partition: self.occasion.partition.clone(),
                    offset: self.occasion.offset,
                    made_at: self.occasion.at,
                    rules: self.rules.version().as_str().to_owned(),
                };
                self.edges.push(edge.clone());
                (own.join(set.clone(), edge), home)
            }
            _ => (set.clone(), profile),
        });
    }

    fn decision(self, first_claimed_by: Option<ProfileId>) -> Decision {
        let changed = !self.new.is_empty() || !self.edges.is_empty() || self.aliases > 0;
        let (mut set, home) = self.found.unwrap_or_else(|| {
            let created = ProfileId::created_by(self.occasion.partition, self.occasion.offset, self.occasion.at);
            (IdentitySet::new(created), created)
        });
        let profile = first_claimed_by.unwrap_or(home);
        for identifier in &self.new {
            set.hold(Held {
                identifier: identifier.clone(),
                profile: home,
                claimed_at: self.occasion.at,
                source: self.occasion.source.to_owned(),
            });
        }
        set.aliases += self.aliases;
        set.revision += 1;
        let root = set.root();
        Decision {
            profile,
            claims: self.new.into_iter().map(|identifier| (identifier, home)).collect(),
            absorbed: self.roots.into_iter().filter(|absorbed| *absorbed != root).collect(),
            set: changed.then_some(set),
            edges: self.edges,
            demotions: self.demotions,
        }
    }
}
