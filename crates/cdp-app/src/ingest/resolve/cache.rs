//! What a worker knows of identity.

use bytes::Bytes;
use cdp_event::Identifier;
use cdp_identity::{BadItem, Decision, IdentitySet, Known, ProfileId};
use cdp_ports::Version;
use cdp_profile::Member;
use hashbrown::HashMap;

/// Above this many claims the cache starts afresh, so that memory is bounded: some 130 bytes a claim.
const MAX_CACHED_CLAIMS: usize = 200_000;
/// Above this many sets the cache forgets them between two batches: some 500 bytes a set, and few are asked for twice.
const MAX_CACHED_SETS: usize = 20_000;

/// Where a set stands in State.
#[derive(Clone, Debug)]
pub(super) enum Stands {
    WithProfile(Single),
    /// In an item of its own; without a version, not there yet.
    Apart(Option<Version>),
}

/// A profile that is a person by itself, as State has it.
#[derive(Clone, Debug)]
pub(in crate::ingest) struct Single {
    /// `None`: it has no item yet, and nothing but claims tells of it.
    pub version: Option<Version>,
    pub member: Bytes,
}

impl Single {
    pub fn new(profile: ProfileId) -> Self {
        Self { version: None, member: Member::new(profile).encode() }
    }
}

#[derive(Debug)]
struct KnownSet {
    set: IdentitySet,
    /// `None`: it was read for an earlier batch, and may have been written since.
    stands: Option<Stands>,
}

/// What is known of State. A claim is true for ever. A set may be behind; whoever writes it finds out, and what it says of
/// two profiles being one person, or of a limit being reached, stays true.
#[derive(Default)]
pub(in crate::ingest) struct IdentityCache {
    claims: HashMap<Identifier<'static>, ProfileId>,
    roots: HashMap<ProfileId, ProfileId>,
    sets: HashMap<ProfileId, KnownSet>,
}

impl Known for IdentityCache {
    fn set_of(&self, profile: ProfileId) -> Option<&IdentitySet> {
        let root = self.roots.get(&profile)?;
        self.sets.get(root).map(|known| &known.set)
    }
}

impl IdentityCache {
    pub(super) fn claimed_by<'a>(&self, identifier: &Identifier<'a>) -> Option<ProfileId> {
        let claims: &HashMap<Identifier<'a>, ProfileId> = &self.claims;
        claims.get(identifier).copied()
    }

    pub(super) fn claim(&mut self, identifier: Identifier<'static>, profile: ProfileId) {
        self.claims.insert(identifier, profile);
    }

    fn root_of(&self, profile: ProfileId) -> Option<ProfileId> {
        self.roots.get(&profile).copied()
    }

    /// Whether all claimants are known to be one person.
    pub(super) fn are_one(&self, mut claimants: impl Iterator<Item = ProfileId>) -> bool {
        let Some(first) = claimants.next() else { return true };
        claimants
            .all(|other| other == first || self.root_of(first).is_some_and(|root| self.root_of(other) == Some(root)))
    }

    pub(super) fn know(&mut self, stands: Stands, set: IdentitySet) {
        let root = set.root();
        for member in set.members() {
            self.roots.insert(*member, root);
        }
        self.sets.insert(root, KnownSet { set, stands: Some(stands) });
    }

    /// What was read for the sake of `profiles`, and is newer than what was known of them.
    pub(super) fn learn(&mut self, profiles: &[ProfileId], mut loaded: Vec<(Stands, IdentitySet)>) {
        for profile in profiles {
            self.forget_set(*profile, &[]);
        }
        // They were read one after the other: one may be part of another by now.
        loaded.sort_by_key(|(_, set)| (set.members().len(), set.revision));
        for (stands, set) in loaded {
            self.know(stands, set);
        }
    }

    /// Whether the set of `profile` is known, and where it stands.
    pub(super) fn is_read(&self, profile: ProfileId) -> bool {
        let known = self.root_of(profile).and_then(|root| self.sets.get(&root));
        known.is_some_and(|known| known.stands.is_some())
    }

    /// A profile that is a person by itself, as this batch has read or founded it.
    pub fn single(&self, profile: ProfileId) -> Option<(&Single, &IdentitySet)> {
        match self.sets.get(&profile) {
            Some(KnownSet { set, stands: Some(Stands::WithProfile(single)) }) => Some((single, set)),
            Some(_) | None => None,
        }
    }

    /// State has the set at `version` now.
    pub(super) fn stands_at(&mut self, root: ProfileId, version: Version) {
        match self.sets.get_mut(&root).and_then(|known| known.stands.as_mut()) {
            Some(Stands::WithProfile(single)) => single.version = Some(version),
            Some(Stands::Apart(known)) => *known = Some(version),
            None => {}
        }
    }

    /// Roots of those sets that the decision changes, and that have to be read again before they can be written.
    pub(super) fn unread(&self, decision: &Decision) -> Vec<ProfileId> {
        let roots = decision.set.iter().map(IdentitySet::root).chain(decision.absorbed.iter().copied());
        roots.filter(|root| self.sets.get(root).is_some_and(|known| known.stands.is_none())).collect()
    }

    /// Where the set stands, which is part of another from now on, or another itself. `None`: it is not known, and new.
    pub(super) fn take_stands(&mut self, root: ProfileId) -> Result<Option<Stands>, BadItem> {
        let Some(known) = self.sets.remove(&root) else { return Ok(None) };
        known.stands.map(Some).ok_or_else(|| BadItem::new("identity set", format!("that of {root} was not read again")))
    }

    pub(super) fn forget_claim(&mut self, identifier: &Identifier<'static>) {
        self.claims.remove(identifier);
    }

    /// What was known of a set, and where `members` are.
    pub(super) fn forget_set(&mut self, root: ProfileId, members: &[ProfileId]) {
        let known = self.sets.remove(&root);
        let others = known.iter().flat_map(|known| known.set.members());
        for member in others.chain(members).chain([&root]) {
            self.roots.remove(member);
        }
    }

    /// The batch's profiles have been written.
    pub fn end_batch(&mut self) {
        if self.claims.len() > MAX_CACHED_CLAIMS {
            *self = Self::default();
        }
        if self.sets.len() > MAX_CACHED_SETS {
            self.sets = HashMap::new();
        }
        self.sets.values_mut().for_each(|known| known.stands = None);
    }
}
