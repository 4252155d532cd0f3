//! What each profile counts, held against its rows of `events`.

use std::collections::BTreeMap;

use cdp_identity::{BadItem, Belonging, IdentitySet, ProfileId};
use cdp_ports::{Item, Key, State};
use cdp_profile::InFlight;

use super::report::Sum;
use super::{PAGE, VerifyError};
use crate::checkpoint::Checkpoints;
use crate::keys::profile_key;
use crate::profile_item::ProfileItem;

/// A profile as far as the tables are held against it.
#[derive(Clone, Debug)]
struct Standing {
    belonging: Belonging,
    events: u64,
    duplicates: u64,
    /// A batch that wrote it was not checkpointed when the proof began.
    is_in_flight: bool,
}

impl Standing {
    fn read(profile: ProfileId, item: Item, before: &Checkpoints) -> Result<Self, BadItem> {
        let ProfileItem { belonging, member } = ProfileItem::decode(item.body, profile)?;
        let is_in_flight = member.applied().iter().any(|(partition, offset)| before.may_return(partition, *offset));
        Ok(Self { belonging, events: member.events, duplicates: member.duplicates, is_in_flight })
    }
}

/// Those that exist of a page's profiles, and of the persons that these are roots of.
pub(super) struct Standings(BTreeMap<ProfileId, Standing>);

impl Standings {
    pub async fn read(
        state: &impl State,
        profiles: impl IntoIterator<Item = ProfileId>,
        before: &Checkpoints,
    ) -> Result<Self, VerifyError> {
        let mut standings = Self(BTreeMap::new());
        standings.extend(state, profiles, before).await?;
        Ok(standings)
    }

    /// Reads those that are not there yet.
    pub async fn extend(
        &mut self,
        state: &impl State,
        profiles: impl IntoIterator<Item = ProfileId>,
        before: &Checkpoints,
    ) -> Result<(), VerifyError> {
        let new: Vec<ProfileId> = profiles.into_iter().filter(|profile| !self.0.contains_key(profile)).collect();
        for some in new.chunks(PAGE) {
            let keys: Vec<Key> = some.iter().map(|profile| profile_key(*profile)).collect();
            for (profile, item) in some.iter().zip(state.get(&keys).await?) {
                if let Some(item) = item {
                    self.0.insert(*profile, Standing::read(*profile, item, before)?);
                }
            }
        }
        Ok(())
    }

    /// `None`: there is no such profile.
    pub fn belonging(&self, profile: ProfileId) -> Option<&Belonging> {
        self.0.get(&profile).map(|standing| &standing.belonging)
    }

    /// How many the person has.
    pub fn events(&self, set: &IdentitySet) -> u64 {
        self.of(set).map(|standing| standing.events).fold(0, u64::saturating_add)
    }

    fn of(&self, set: &IdentitySet) -> impl Iterator<Item = &Standing> {
        set.members().iter().filter_map(|member| self.0.get(member))
    }

    pub fn is_in_flight(&self, set: &IdentitySet) -> bool {
        self.of(set).any(|standing| standing.is_in_flight)
    }
}

pub(super) struct Members {
    pub counts: Sum,
    /// Events of landed files whose commit is not known of, and which no profile has been granted yet.
    waiting: u64,
    pub in_flight: u64,
    pub duplicates: u64,
}

impl Members {
    pub fn new(waiting: u64) -> Self {
        Self { counts: Sum::new("profiles_equal_events"), waiting, in_flight: 0, duplicates: 0 }
    }

    /// `rows` are of a table that has all that was checkpointed when the proof began, or lets it wait in the outbox. A profile of
    /// no rows is one that another table names.
    pub fn compare(&mut self, profile: ProfileId, rows: u64, standings: &Standings) {
        let Some(standing) = standings.0.get(&profile) else {
            self.counts.expect(rows, rows, 0, || format!("{profile}: {rows} rows, and no profile"));
            return;
        };
        self.duplicates = self.duplicates.saturating_add(standing.duplicates);
        if standing.is_in_flight && standing.events >= rows {
            self.in_flight += 1;
            return;
        }
        let granted = standing.events.saturating_sub(rows).min(self.waiting);
        self.waiting -= granted;
        let expected = rows + granted;
        self.counts.expect(expected, expected, standing.events, || {
            format!("{profile}: {} events in the profile, {rows} rows", standing.events)
        });
    }
}
