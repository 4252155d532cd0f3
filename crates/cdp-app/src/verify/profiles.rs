//! The profiles that the tables name, held against State page by page.

use std::collections::BTreeSet;

use cdp_identity::{Claim, Edge, IdentitySet, ProfileId};
use cdp_ports::{Key, State, TableName};
use cdp_profile::InFlight;

use super::late::Late;
use super::members::{Members, Standings};
use super::people::{compare_canonical, compare_newest};
use super::sets::{Roots, Sets};
use super::walk::Told;
use super::{PAGE, VerifyError, Waiting, rows_of};
use crate::checkpoint::Checkpoints;
use crate::keys::claim_key;

pub(super) struct Profiles<'v> {
    /// As it stood when the proof began.
    before: &'v Checkpoints,
    pub members: Members,
    pub roots: Roots,
    pub canonical: Late,
    pub people: Late,
}

impl<'v> Profiles<'v> {
    pub fn new(before: &'v Checkpoints, waiting: &Waiting) -> Self {
        Self {
            before,
            members: Members::new(rows_of(waiting, TableName::Events)),
            roots: Roots::new(),
            canonical: Late::new("canonical_equal_state", rows_of(waiting, TableName::Identity)),
            people: Late::new("people_equal_state", rows_of(waiting, TableName::Profiles)),
        }
    }

    /// `page` was read from tables that have all that `before` counts, or let it wait in the outbox.
    pub async fn compare(&mut self, state: &impl State, page: &[Told]) -> Result<(), VerifyError> {
        let mut known = Vec::with_capacity(page.len());
        for told in page {
            match told.profile_id.parse::<ProfileId>() {
                Ok(profile) => known.push((profile, told)),
                Err(error) => self.members.counts.wrong(|| error.to_string()),
            }
        }
        let profiles: Vec<ProfileId> = known.iter().map(|(profile, _)| *profile).collect();
        let mut standings = Standings::read(state, profiles.iter().copied(), self.before).await?;
        for (profile, told) in &known {
            self.members.compare(*profile, told.rows, &standings);
        }
        let sets = self.roots.read(state, &profiles, &standings).await?;
        let persons = sets.own().flat_map(IdentitySet::members).copied();
        standings.extend(state, persons, self.before).await?;
        for (profile, told) in known {
            let Some(set) = sets.of(profile) else { continue };
            compare_canonical(profile, told, set, &mut self.canonical);
            compare_newest(profile, told.newest.as_ref(), set, &standings, &mut self.people);
        }
        self.settle(state, &sets).await
    }

    async fn settle(&mut self, state: &impl State, sets: &Sets) -> Result<(), VerifyError> {
        let late: BTreeSet<ProfileId> = self.canonical.roots().chain(self.people.roots()).collect();
        let late: Vec<&IdentitySet> = late.into_iter().filter_map(|root| sets.rooted_at(root)).collect();
        let moving = if late.is_empty() { BTreeSet::new() } else { self.moving(state, &late).await? };
        self.canonical.settle(&moving);
        self.people.settle(&moving);
        Ok(())
    }

    /// Those sets that a batch has changed which was not checkpointed. Each change leaves an edge or a claim.
    async fn moving(&self, state: &impl State, sets: &[&IdentitySet]) -> Result<BTreeSet<ProfileId>, VerifyError> {
        let is_new = |edge: &Edge| self.before.may_return(&edge.partition, edge.offset);
        let mut moving = BTreeSet::new();
        let mut claims: Vec<(ProfileId, Key)> = Vec::new();
        for set in sets {
            if set.edges.iter().any(is_new) {
                moving.insert(set.root());
            } else {
                claims.extend(set.held.iter().map(|held| (set.root(), claim_key(&held.identifier))));
            }
        }
        for some in claims.chunks(PAGE) {
            let keys: Vec<Key> = some.iter().map(|(_, key)| key.clone()).collect();
            for ((root, _), item) in some.iter().zip(state.get(&keys).await?) {
                let Some(item) = item else { continue };
                let claim = Claim::decode(item.body)?;
                if self.before.may_return(&claim.partition, claim.offset) {
                    moving.insert(*root);
                }
            }
        }
        Ok(moving)
    }
}
