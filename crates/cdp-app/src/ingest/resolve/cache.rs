//! What a worker knows of identity.

use cdp_event::Identifier;
use cdp_identity::{Decision, IdentitySet, Known, ProfileId};
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
    WithProfile(Box<Single>),
    /// In an item of its own; without a version, not there yet.
    Apart(Option<Version>),
    /// With its profile, whose item has been written since it was read.
    Unread,
}

/// A profile that is a person by itself, as far as its set may be written with it.
#[derive(Clone, Debug)]
pub(in crate::ingest) struct Single {
    /// `None`: it has no item yet, and nothing but claims tells of it.
    pub version: Option<Version>,
    pub member: Member,
    /// Of its item.
    pub bytes: usize,
}

impl Single {
    pub fn new(profile: ProfileId) -> Self {
        Self { version: None, member: Member::new(profile), bytes: 0 }
    }
}

/// What is known of State. A claim is true for ever. A set may be behind; whoever writes it finds out, and what it says of
/// two profiles being one person, or of a limit being reached, stays true.
#[derive(Default)]
pub(in crate::ingest) struct IdentityCache {
    claims: HashMap<Identifier<'static>, ProfileId>,
    roots: HashMap<ProfileId, ProfileId>,
    sets: HashMap<ProfileId, (Stands, IdentitySet)>,
}

impl Known for IdentityCache {
    fn set_of(&self, profile: ProfileId) -> Option<&IdentitySet> {
        let root = self.roots.get(&profile)?;
        self.sets.get(root).map(|(_, set)| set)
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

    pub fn root_of(&self, profile: ProfileId) -> Option<ProfileId> {
        self.roots.get(&profile).copied()
    }

    pub(super) fn know(&mut self, stands: Stands, set: IdentitySet) {
        let root = set.root();
        for member in set.members() {
            self.roots.insert(*member, root);
        }
        self.sets.insert(root, (stands, set));
    }

    /// Where the set of this root stands, if it is known.
    pub(super) fn stands(&self, root: ProfileId) -> Option<&Stands> {
        self.sets.get(&root).map(|(stands, _)| stands)
    }

    /// A profile that is a person by itself, as this batch has read or founded it.
    pub fn single(&self, profile: ProfileId) -> Option<(&Single, &IdentitySet)> {
        match self.sets.get(&profile) {
            Some((Stands::WithProfile(single), set)) => Some((single, set)),
            Some((Stands::Apart(_) | Stands::Unread, _)) | None => None,
        }
    }

    /// State has the set at `version` now.
    pub(super) fn stands_at(&mut self, root: ProfileId, version: Version) {
        match self.sets.get_mut(&root) {
            Some((Stands::WithProfile(single), _)) => single.version = Some(version),
            Some((Stands::Apart(known), _)) => *known = Some(version),
            Some((Stands::Unread, _)) | None => {}
        }
    }

    /// The set is part of another from now on, and its members are known to be there.
    pub(super) fn take_set(&mut self, root: ProfileId) -> Option<Stands> {
        self.sets.remove(&root).map(|(stands, _)| stands)
    }

    /// Roots of those sets that the decision changes, and that have to be read again before they can be written.
    pub(super) fn unread(&self, decision: &Decision) -> Vec<ProfileId> {
        let roots = decision.set.iter().map(IdentitySet::root).chain(decision.absorbed.iter().copied());
        roots.filter(|root| matches!(self.stands(*root), Some(Stands::Unread))).collect()
    }

    pub(super) fn forget_claim(&mut self, identifier: &Identifier<'static>) {
        self.claims.remove(identifier);
    }

    /// What was known of a set, and where `members` are.
    pub(super) fn forget_set(&mut self, root: ProfileId, members: &[ProfileId]) {
        let known = self.sets.remove(&root);
        let others = known.iter().flat_map(|(_, set)| set.members());
        for member in others.chain(members).chain([&root]) {
            self.roots.remove(member);
        }
    }

    /// Between two batches: the first has written the profiles of its events.
    pub(super) fn begin_batch(&mut self) {
        if self.claims.len() > MAX_CACHED_CLAIMS {
            *self = Self::default();
        }
        if self.sets.len() > MAX_CACHED_SETS {
            self.sets = HashMap::new();
        }
        for (stands, _) in self.sets.values_mut() {
            if matches!(stands, Stands::WithProfile(_)) {
                *stands = Stands::Unread;
            }
        }
    }
}
