//! Land: the batch as files of the four tables, which nobody sees before they are committed.

use std::collections::BTreeMap;
use std::iter;

use cdp_event::{Envelope, Offset, PartitionId, Timestamp};
use cdp_identity::{Belonging, Edge, IdentitySet, ProfileId};
use cdp_lake::rows::{EventRows, IdentityRow, IdentityRows, ProfileRow, ProfileRows, QuarantineRow, QuarantineRows};
use cdp_ports::{Batches, Chance, Clock, DataFile, Landing, State, TableName};
use cdp_profile::{Person, Verdict};
use hashbrown::{HashMap, HashSet};
use serde::Serialize;

use super::apply::Applied;
use super::{Ingest, IngestError, LandingEvent, Refused};
use crate::keys::profile_key;
use crate::profile_item::{Unopened, outline};
use crate::sets::{READ_AHEAD, sets_at};

/// Rows in memory on their way into a file: they stay in the processor's cache.
const ROWS_AT_A_TIME: usize = 1024;

pub(super) struct Land<'l, S, L, C> {
    pub ingest: &'l Ingest<S, L, C>,
    pub partition: &'l PartitionId,
    /// The batch's own profiles, so that a person of one profile is not read again. Another partition may have written the
    /// profile since: it tells of that in a row of its own, which has the higher revision.
    pub applied: Applied,
    pub now: Timestamp,
}

/// The sets that the batch touched, each once.
#[derive(Default)]
struct Sets {
    by_root: BTreeMap<ProfileId, IdentitySet>,
    roots: HashMap<ProfileId, ProfileId>,
}

impl Sets {
    fn of(&self, profile: ProfileId) -> Option<&IdentitySet> {
        self.by_root.get(self.roots.get(&profile)?)
    }

    fn put(&mut self, profile: ProfileId, set: IdentitySet) {
        self.roots.insert(profile, set.root());
        self.by_root.insert(set.root(), set);
    }
}

impl<S: State, L: Landing, C: Clock + Chance> Land<'_, S, L, C> {
    pub async fn put(
        mut self,
        landing: &[LandingEvent<'_, '_>],
        refused: &[Refused<'_>],
    ) -> Result<Vec<(TableName, DataFile)>, IngestError> {
        let mut files = Vec::new();
        self.put_events(landing, &mut files).await?;
        self.put_quarantine(refused, &mut files).await?;
        let mut touched: Vec<ProfileId> = landing.iter().map(|landing| landing.resolved.profile).collect();
        touched.sort_unstable();
        touched.dedup();
        let sets = self.sets_of(&touched).await?;
        self.put_identity(landing, &sets, &mut files).await?;
        self.put_profiles(landing, &sets, &mut files).await?;
        Ok(files)
    }

    async fn put_events(
        &self,
        landing: &[LandingEvent<'_, '_>],
        files: &mut Vec<(TableName, DataFile)>,
    ) -> Result<(), IngestError> {
        let accepted = landing.iter().filter(|landing| landing.verdict == Verdict::Accepted);
        for (day, landing) in by_day(accepted, |landing| landing.arrived_at) {
            let mut batches = landing.chunks(ROWS_AT_A_TIME).map(|some| {
                let mut rows = EventRows::sized_for(some.iter().map(|landing| landing.event));
                some.iter().for_each(|landing| rows.push(self.partition, landing.event, landing.resolved.profile));
                rows.finish()
            });
            files.push(self.file(TableName::Events, day, &mut batches).await?);
        }
        Ok(())
    }

    async fn put_quarantine(
        &self,
        refused: &[Refused<'_>],
        files: &mut Vec<(TableName, DataFile)>,
    ) -> Result<(), IngestError> {
        for (day, refused) in by_day(refused, |refused| refused.arrived_at) {
            let mut batches = refused.chunks(ROWS_AT_A_TIME).map(|some| {
                let mut rows = QuarantineRows::default();
                for Refused { offset, arrived_at, source, envelope, bytes, rejection } in some {
                    let envelope = Envelope::unwrap(envelope).and_then(Result::ok);
                    let request = envelope.and_then(|(envelope, _)| envelope.request());
                    let (received_at, request) = (*arrived_at, request.as_deref());
                    rows.push(
                        self.partition,
                        *offset,
                        &QuarantineRow { received_at, source, rejection, bytes, request },
                    );
                }
                rows.finish()
            });
            files.push(self.file(TableName::Quarantine, day, &mut batches).await?);
        }
        Ok(())
    }

    async fn put_identity(
        &self,
        landing: &[LandingEvent<'_, '_>],
        sets: &Sets,
        files: &mut Vec<(TableName, DataFile)>,
    ) -> Result<(), IngestError> {
        let mut rows = IdentityRows::default();
        for LandingEvent { event, resolved, .. } in landing {
            let mut push = |row: IdentityRow<'_>| {
                let rules = self.ingest.rules.version().as_str();
                rows.push(self.partition, event.offset, rules, &row);
            };
            let plain = |decision, profile| IdentityRow {
                decided_at: event.received_at,
                decision,
                profile,
                identifier: None,
                other: None,
                canonical: None,
                revision: None,
                rule: None,
            };
            for (identifier, profile) in &resolved.claims {
                push(IdentityRow { identifier: Some(identifier), ..plain("claim", *profile) });
            }
            for Edge { one, other, through, .. } in &resolved.edges {
                push(IdentityRow { identifier: Some(through), other: Some(*other), ..plain("edge", *one) });
            }
            for demotion in &resolved.demotions {
                push(IdentityRow {
                    identifier: Some(&demotion.identifier),
                    other: demotion.claimed_by,
                    rule: Some(&demotion.rule),
                    ..plain("demoted", resolved.profile)
                });
            }
            for identifier in &resolved.blocked {
                push(IdentityRow {
                    identifier: Some(identifier),
                    rule: Some("blocked"),
                    ..plain("blocked", resolved.profile)
                });
            }
            if let Some(set) = sets.of(resolved.profile).filter(|_| !resolved.edges.is_empty()) {
                for member in set.members() {
                    let (canonical, revision) = (Some(set.root()), Some(as_i64(set.revision)));
                    push(IdentityRow { canonical, revision, ..plain("canonical", *member) });
                }
            }
        }
        if !rows.is_empty() {
            files.push(self.file(TableName::Identity, self.now, &mut iter::once(rows.finish())).await?);
        }
        Ok(())
    }

    /// The persons that the batch touched, as they stand now. Two partitions that touch one person at a time each write a
    /// row; the later read saw both, and has the higher revision.
    async fn put_profiles(
        &mut self,
        landing: &[LandingEvent<'_, '_>],
        sets: &Sets,
        files: &mut Vec<(TableName, DataFile)>,
    ) -> Result<(), IngestError> {
        let Some(last) = landing.last().map(|l| l.event.offset) else { return Ok(()) };
        let with_edges = landing.iter().filter(|l| !l.resolved.edges.is_empty());
        let joined: HashSet<ProfileId> =
            with_edges.filter_map(|l| sets.of(l.resolved.profile)).map(IdentitySet::root).collect();
        let mut batches = Vec::new();
        let all: Vec<&IdentitySet> = sets.by_root.values().collect();
        for some in all.chunks(ROWS_AT_A_TIME) {
            self.read_members(some).await?;
            let mut rows = ProfileRows::default();
            for set in some {
                self.push_person(set, last, &mut rows);
                if joined.contains(&set.root()) {
                    self.push_absorbed(set, last, &mut rows);
                }
            }
            batches.push(rows.finish());
        }
        files.push(self.file(TableName::Profiles, self.now, &mut batches.into_iter()).await?);
        Ok(())
    }

    /// Members of persons of several profiles. All of them: another partition may have written one that this batch wrote
    /// too, without seeing what this batch wrote to the next. And the profiles that took nothing of the batch.
    async fn read_members(&mut self, sets: &[&IdentitySet]) -> Result<(), IngestError> {
        let is_known = |set: &IdentitySet| matches!(set.members(), [only] if self.applied.outlines.contains_key(only));
        let several = sets.iter().filter(|set| !is_known(set));
        let members: Vec<ProfileId> = several.flat_map(|set| set.members()).copied().collect();
        for some in members.chunks(READ_AHEAD) {
            let keys: Vec<_> = some.iter().map(|member| profile_key(*member)).collect();
            for (member, item) in some.iter().zip(self.ingest.state.get(&keys).await?) {
                if let Some(item) = item {
                    self.applied.outlines.insert(*member, (item.version, outline(item.body, *member)?));
                }
            }
        }
        Ok(())
    }

    fn push_person(&mut self, set: &IdentitySet, at: Offset, rows: &mut ProfileRows) {
        let mut writes = 0;
        let members = set.members().iter().filter_map(|member| self.applied.outlines.remove(member));
        let person = Person::outlined(members.inspect(|(version, _)| writes += version).map(|(_, outline)| outline));
        let row = ProfileRow {
            profile: set.root(),
            revision: revision(set, writes),
            merged_into: None,
            first_seen: person.first_seen,
            last_seen: person.last_seen,
            events: person.events,
            traits: &person.traits_json(),
            identifiers: &identifiers_json(set),
            counts: &json(&person.counts),
            members: &members_json(set),
            written_at: self.now,
        };
        rows.push(self.partition, at, &row);
    }

    /// A last row for each profile that is part of another now.
    fn push_absorbed(&self, set: &IdentitySet, at: Offset, rows: &mut ProfileRows) {
        for member in set.members().iter().filter(|member| **member != set.root()) {
            let row = ProfileRow {
                profile: *member,
                revision: revision(set, 0),
                merged_into: Some(set.root()),
                first_seen: None,
                last_seen: None,
                events: 0,
                traits: "{}",
                identifiers: "[]",
                counts: "{}",
                members: "[]",
                written_at: self.now,
            };
            rows.push(self.partition, at, &row);
        }
    }

    /// The sets of `profiles`. One that stands in its profile's item was read with it; the others, as they stand now.
    async fn sets_of(&mut self, profiles: &[ProfileId]) -> Result<Sets, IngestError> {
        self.read_belongings(profiles).await?;
        let mut sets = Sets::default();
        let mut apart: Vec<(ProfileId, ProfileId)> = Vec::new();
        for profile in profiles {
            match self.applied.belongings.remove(profile) {
                Some(Belonging::Alone(set)) => sets.put(*profile, set),
                Some(Belonging::To(root)) => apart.push((*profile, root)),
                None => {}
            }
        }
        let roots: Vec<ProfileId> = apart.iter().map(|(_, root)| *root).collect();
        let found = sets_at(&self.ingest.state, &roots).await?;
        for ((profile, _), (_, set)) in apart.into_iter().zip(found) {
            sets.put(profile, set);
        }
        Ok(sets)
    }

    /// Of the profiles that took nothing of the batch.
    async fn read_belongings(&mut self, profiles: &[ProfileId]) -> Result<(), IngestError> {
        let unread = profiles.iter().filter(|profile| !self.applied.belongings.contains_key(*profile));
        let unread: Vec<ProfileId> = unread.copied().collect();
        for some in unread.chunks(READ_AHEAD) {
            let keys: Vec<_> = some.iter().map(|profile| profile_key(*profile)).collect();
            for (profile, item) in some.iter().zip(self.ingest.state.get(&keys).await?) {
                if let Some(item) = item {
                    let Unopened { belonging, .. } = Unopened::decode(item.body, *profile)?;
                    self.applied.belongings.insert(*profile, belonging);
                }
            }
        }
        Ok(())
    }

    async fn file(
        &self,
        table: TableName,
        day: Timestamp,
        rows: Batches<'_>,
    ) -> Result<(TableName, DataFile), IngestError> {
        let partition = self.partition.as_str().replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "_");
        let name = format!("{partition}-{:016x}", self.ingest.clock.draw());
        Ok((table, self.ingest.lake.put(table, &day.date(), &name, rows).await?))
    }
}

/// What arrived on each day, and a moment of that day.
fn by_day<'r, R: 'r>(
    all: impl IntoIterator<Item = &'r R>,
    arrived_at: impl Fn(&R) -> Timestamp,
) -> impl Iterator<Item = (Timestamp, Vec<&'r R>)> {
    let mut days: BTreeMap<i32, (Timestamp, Vec<&'r R>)> = BTreeMap::new();
    for one in all {
        let arrived_at = arrived_at(one);
        days.entry(arrived_at.days()).or_insert_with(|| (arrived_at, Vec::new())).1.push(one);
    }
    days.into_values()
}

/// Grows at each change of the set, and between two of those at each change of a member.
fn revision(set: &IdentitySet, writes: u64) -> i64 {
    as_i64(set.revision.saturating_mul(1 << 32).saturating_add(writes.min((1 << 32) - 1)))
}

fn as_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// As the tables hold it: `[{"namespace": …, "value": …}, …]`.
fn identifiers_json(set: &IdentitySet) -> String {
    #[derive(Serialize)]
    struct Held<'a> {
        namespace: &'a str,
        value: &'a str,
    }
    let held = set.held.iter().map(|held| &held.identifier);
    let held = held.map(|held| Held { namespace: held.namespace.as_str(), value: &held.value });
    json(&held.collect::<Vec<_>>())
}

fn members_json(set: &IdentitySet) -> String {
    json(&set.members().iter().map(ProfileId::to_string).collect::<Vec<_>>())
}

/// Of what is always JSON: texts and numbers, in arrays or under texts.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
