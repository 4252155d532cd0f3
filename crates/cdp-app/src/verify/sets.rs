//! Identity sets: each profile has its own, or is a member of the one that it belongs to.

use std::collections::BTreeMap;

use cdp_identity::{Belonging, IdentitySet, ProfileId, SetItem};
use cdp_ports::{Key, State};

use super::VerifyError;
use super::members::Standings;
use super::report::Sum;
use crate::keys::set_key;

/// The sets of a page's profiles. A profile whose set is not in order has none here: it was told of already.
#[derive(Default)]
pub(super) struct Sets {
    by_root: BTreeMap<ProfileId, IdentitySet>,
    roots: BTreeMap<ProfileId, ProfileId>,
}

impl Sets {
    pub fn of(&self, profile: ProfileId) -> Option<&IdentitySet> {
        self.by_root.get(self.roots.get(&profile)?)
    }

    /// The set that has this root.
    pub fn rooted_at(&self, root: ProfileId) -> Option<&IdentitySet> {
        self.by_root.get(&root)
    }

    /// Of the profiles that are roots themselves.
    pub fn own(&self) -> impl Iterator<Item = &IdentitySet> {
        self.by_root.iter().filter(|(root, _)| self.roots.contains_key(root)).map(|(_, set)| set)
    }

    fn put(&mut self, profile: ProfileId, set: &IdentitySet) {
        self.roots.insert(profile, set.root());
        self.by_root.entry(set.root()).or_insert_with(|| set.clone());
    }
}

pub(super) struct Roots {
    pub merged: Sum,
    /// Identifiers that the roots keep.
    pub held: u64,
    /// Edges that they keep.
    pub edges: u64,
}

impl Roots {
    pub fn new() -> Self {
        Self { merged: Sum::new("merged_profiles_in_root"), held: 0, edges: 0 }
    }

    pub async fn read(
        &mut self,
        state: &impl State,
        profiles: &[ProfileId],
        standings: &Standings,
    ) -> Result<Sets, VerifyError> {
        let mut sets = Sets::default();
        let mut merged: BTreeMap<ProfileId, Vec<ProfileId>> = BTreeMap::new();
        for &profile in profiles {
            match standings.belonging(profile) {
                Some(Belonging::Alone(set)) => self.put_root(profile, set, &mut sets),
                Some(Belonging::To(root)) => merged.entry(*root).or_default().push(profile),
                None => self.merged.wrong(|| format!("{profile}: has no set")),
            }
        }
        self.follow(state, merged, &mut sets).await?;
        Ok(sets)
    }

    /// Each set is counted with its root, so that it is counted once.
    fn put_root(&mut self, root: ProfileId, set: &IdentitySet, sets: &mut Sets) {
        self.held += set.held.len() as u64;
        self.edges += set.edges.len() as u64;
        sets.put(root, set);
    }

    /// `merged`: by the profile that their set stands at.
    async fn follow(
        &mut self,
        state: &impl State,
        mut merged: BTreeMap<ProfileId, Vec<ProfileId>>,
        sets: &mut Sets,
    ) -> Result<(), VerifyError> {
        while !merged.is_empty() {
            let roots: Vec<(ProfileId, Vec<ProfileId>)> = std::mem::take(&mut merged).into_iter().collect();
            let keys: Vec<Key> = roots.iter().map(|(root, _)| set_key(*root)).collect();
            for ((root, members), item) in roots.into_iter().zip(state.get(&keys).await?) {
                match item.map(|item| SetItem::decode(item.body)).transpose()? {
                    Some(SetItem::Root(set)) if set.root() == root => self.expect_in(&set, members, sets),
                    // A root is always smaller than what it absorbed, so this ends.
                    Some(SetItem::MergedInto(next)) if next < root => merged.entry(next).or_default().extend(members),
                    Some(SetItem::Root(_) | SetItem::MergedInto(_)) | None => {
                        self.merged.wrong(|| format!("{root}: profiles belong to it, and it is no root"));
                    }
                }
            }
        }
        Ok(())
    }

    fn expect_in(&mut self, set: &IdentitySet, members: Vec<ProfileId>, sets: &mut Sets) {
        for member in members {
            if member == set.root() {
                self.put_root(member, set, sets);
                continue;
            }
            let is_there = set.members().binary_search(&member).is_ok();
            self.merged.expect(1, 1, is_there.into(), || format!("{member}: not in the set of {}", set.root()));
            if is_there {
                sets.put(member, set);
            }
        }
    }
}
