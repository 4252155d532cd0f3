//! What a worker knows of identity.

use cdp_event::Identifier;
use cdp_identity::{IdentitySet, Known, ProfileId};
use cdp_ports::Version;
use hashbrown::HashMap;

/// Above this many claims the cache starts afresh, so that memory is bounded: some 130 bytes a claim.
const MAX_CACHED_CLAIMS: usize = 200_000;
/// Above this many sets the cache forgets them between two batches: some 500 bytes a set, and few are asked for twice.
const MAX_CACHED_SETS: usize = 20_000;

/// What is known of State. A claim is true for ever. A set may be behind; whoever writes it finds out, and what it says of
/// two profiles being one person, or of a limit being reached, stays true.
#[derive(Default)]
pub(in crate::ingest) struct IdentityCache {
    claims: HashMap<Identifier<'static>, ProfileId>,
    roots: HashMap<ProfileId, ProfileId>,
    sets: HashMap<ProfileId, (Option<Version>, IdentitySet)>,
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

    pub(super) fn know(&mut self, version: Option<Version>, set: IdentitySet) {
        let root = set.root();
        for member in set.members() {
            self.roots.insert(*member, root);
        }
        self.sets.insert(root, (version, set));
    }

    /// The version at which State has the set. `None`: it is new there, or not known here.
    pub(super) fn version_of(&self, root: ProfileId) -> Option<Version> {
        self.sets.get(&root).and_then(|(version, _)| *version)
    }

    /// State has the set at `version` now.
    pub(super) fn stands_at(&mut self, root: ProfileId, version: Version) {
        if let Some((known, _)) = self.sets.get_mut(&root) {
            *known = Some(version);
        }
    }

    /// The set is part of another from now on, and its members are known to be there.
    pub(super) fn take_set(&mut self, root: ProfileId) -> Option<(Option<Version>, IdentitySet)> {
        self.sets.remove(&root)
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

    /// Between two batches.
    pub(super) fn keep_small(&mut self) {
        if self.claims.len() > MAX_CACHED_CLAIMS {
            *self = Self::default();
        }
        if self.sets.len() > MAX_CACHED_SETS {
            self.sets = HashMap::new();
        }
    }
}
