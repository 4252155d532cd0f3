//! Profiles and claims of the tables, held against State page by page.

use std::collections::BTreeMap;

use cdp_event::Identifier;
use cdp_identity::{Claim, ProfileId, SetItem};
use cdp_ports::{Item, Key, State};
use cdp_profile::{InFlight, Member};

use super::report::Sum;
use super::{ClaimCount, ProfileCount, VerifyError};
use crate::checkpoint::Checkpoints;
use crate::keys::{claim_key, member_key, set_key};

pub(super) struct People {
    pub counts: Sum,
    pub merged: Sum,
    /// Events of landed files whose commit is not known of, and which no profile has been granted yet.
    waiting: u64,
    pub in_flight: u64,
    pub duplicates: u64,
    /// Identifiers that the roots keep.
    pub held: u64,
}

impl People {
    pub fn new(waiting: u64) -> Self {
        Self {
            counts: Sum::new("profiles_equal_events"),
            merged: Sum::new("merged_profiles_in_root"),
            waiting,
            in_flight: 0,
            duplicates: 0,
            held: 0,
        }
    }

    /// `page` was read from a table that has all that `before` counts, or lets it wait in the outbox.
    pub async fn compare(
        &mut self,
        state: &impl State,
        page: &[ProfileCount],
        before: &Checkpoints,
    ) -> Result<(), VerifyError> {
        let mut known = Vec::with_capacity(page.len());
        for row in page {
            match row.profile_id.parse::<ProfileId>() {
                Ok(profile) => known.push((profile, row.rows)),
                Err(error) => self.counts.wrong(|| error.to_string()),
            }
        }
        let members: Vec<Key> = known.iter().map(|(profile, _)| member_key(*profile)).collect();
        for ((profile, rows), item) in known.iter().zip(state.get(&members).await?) {
            self.compare_counts(*profile, *rows, item, before)?;
        }
        let profiles: Vec<ProfileId> = known.iter().map(|(profile, _)| *profile).collect();
        self.compare_sets(state, profiles).await
    }

    fn compare_counts(
        &mut self,
        profile: ProfileId,
        rows: u64,
        item: Option<Item>,
        before: &Checkpoints,
    ) -> Result<(), VerifyError> {
        let Some(item) = item else {
            self.counts.expect(rows, rows, 0, || format!("{profile}: {rows} rows, and no profile"));
            return Ok(());
        };
        let member = Member::decode(item.body)?;
        self.duplicates += member.duplicates;
        let is_in_flight = member.applied().iter().any(|(partition, offset)| before.may_return(partition, *offset));
        if is_in_flight && member.events >= rows {
            self.in_flight += 1;
            return Ok(());
        }
        let granted = member.events.saturating_sub(rows).min(self.waiting);
        self.waiting -= granted;
        let expected = rows + granted;
        self.counts.expect(expected, expected, member.events, || {
            format!("{profile}: {} events in the profile, {rows} rows", member.events)
        });
        Ok(())
    }

    /// Each profile is the root of its set, or a member of the set of the root that it was merged into.
    async fn compare_sets(&mut self, state: &impl State, profiles: Vec<ProfileId>) -> Result<(), VerifyError> {
        let keys: Vec<Key> = profiles.iter().map(|profile| set_key(*profile)).collect();
        let mut merged: BTreeMap<ProfileId, Vec<ProfileId>> = BTreeMap::new();
        for (profile, item) in profiles.into_iter().zip(state.get(&keys).await?) {
            match item.map(|item| SetItem::decode(item.body)).transpose()? {
                Some(SetItem::MergedInto(root)) => merged.entry(root).or_default().push(profile),
                Some(SetItem::Root(set)) if set.root() == profile => self.held += set.held.len() as u64,
                Some(SetItem::Root(_)) => self.merged.wrong(|| format!("{profile}: keeps a set whose root it is not")),
                None => self.merged.wrong(|| format!("{profile}: has no set")),
            }
        }
        while !merged.is_empty() {
            let roots: Vec<(ProfileId, Vec<ProfileId>)> = std::mem::take(&mut merged).into_iter().collect();
            let keys: Vec<Key> = roots.iter().map(|(root, _)| set_key(*root)).collect();
            for ((root, members), item) in roots.into_iter().zip(state.get(&keys).await?) {
                match item.map(|item| SetItem::decode(item.body)).transpose()? {
                    Some(SetItem::Root(set)) => {
                        for member in members {
                            let is_there = set.members().binary_search(&member).is_ok();
                            self.merged.expect(1, 1, is_there.into(), || format!("{member}: not in the set of {root}"));
                        }
                    }
                    // A root is always smaller than what it absorbed, so this ends.
                    Some(SetItem::MergedInto(next)) if next < root => merged.entry(next).or_default().extend(members),
                    Some(SetItem::MergedInto(_)) | None => {
                        self.merged.wrong(|| format!("{root}: profiles were merged into it, and it is no root"));
                    }
                }
            }
        }
        Ok(())
    }
}

pub(super) struct Claims {
    pub stand: Sum,
    pub rows: u64,
}

impl Claims {
    pub fn new() -> Self {
        Self { stand: Sum::new("claims_equal_identity"), rows: 0 }
    }

    pub async fn compare(&mut self, state: &impl State, page: &[ClaimCount]) -> Result<(), VerifyError> {
        let mut told: Vec<(&ClaimCount, Identifier<'_>)> = Vec::with_capacity(page.len());
        for row in page {
            self.rows += row.rows;
            let identifier =
                row.namespace.parse().ok().and_then(|namespace| Identifier::new(namespace, row.value.as_str()).ok());
            match identifier {
                Some(identifier) => told.push((row, identifier)),
                None => self.stand.wrong(|| format!("{}: not an identifier", shown(row))),
            }
        }
        let keys: Vec<Key> = told.iter().map(|(_, identifier)| claim_key(identifier)).collect();
        for ((row, _), item) in told.iter().zip(state.get(&keys).await?) {
            let claim = item.map(|item| Claim::decode(item.body)).transpose()?;
            let claimed_by = claim.map(|claim| claim.profile.to_string());
            let is_so = claimed_by.as_deref() == Some(row.profile_id.as_str());
            self.stand.expect(is_so.into(), is_so.into(), row.rows, || match is_so {
                true => format!("{}: told {} times", shown(row), row.rows),
                false => format!("{}: claimed by {}", shown(row), claimed_by.as_deref().unwrap_or("nobody")),
            });
        }
        Ok(())
    }
}

/// Without the value: it may be somebody's address.
fn shown(row: &ClaimCount) -> String {
    format!("{} of {}", row.namespace, row.profile_id)
}
