//! What a schedule left behind, in words that two schedules can be compared by, and what in it contradicts itself.

use std::collections::{BTreeMap, BTreeSet};

use adapter_memory::MemoryLake;
use arrow::array::{Array, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use cdp_app::{Checkpoints, ProfileItem, claim_key, profile_key, set_key};
use cdp_event::{Identifier, Namespace};
use cdp_identity::{Belonging, Claim, IdentitySet, ProfileId, SetItem};
use cdp_ports::{State, TableName};
use cdp_profile::{Member, Person};
use futures::executor::block_on;

use crate::ports::World;
use crate::schedule::{DEFAULT_RULES, Shape};

#[derive(Debug, Default)]
pub struct Outcome {
    facts: BTreeMap<String, String>,
    demotions: BTreeSet<String>,
    contradictions: Vec<String>,
    pub steps: u64,
}

/// One row, by column name. Nulls are absent.
type Row = BTreeMap<String, String>;

fn rows(lake: &MemoryLake, table: TableName) -> Vec<Row> {
    lake.rows(table).iter().flat_map(rows_of).collect()
}

fn rows_of(batch: &RecordBatch) -> Vec<Row> {
    let mut rows = vec![Row::new(); batch.num_rows()];
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let cells = ArrayFormatter::try_new(column, &FormatOptions::new()).expect("columns that can be told");
        for (at, row) in rows.iter_mut().enumerate().filter(|(at, _)| column.is_valid(*at)) {
            row.insert(field.name().clone(), cells.value(at).to_string());
        }
    }
    rows
}

fn position(row: &Row) -> String {
    format!("{} {}.{}", row["partition"], row["sequence"], row["sub"])
}

fn profile(row: &Row, column: &str) -> ProfileId {
    row[column].parse().expect("a profile id")
}

impl Outcome {
    /// Between partitions the order of arrival is free, and with it which of two equal messages is the duplicate, and which
    /// profile was first: positions and profile ids are compared where there is one partition.
    pub fn of(world: &World, shape: Shape, steps: u64) -> Self {
        let exact = shape == Shape::Exact;
        let mut outcome = Self { steps, ..Self::default() };
        let events = rows(&world.lake, TableName::Events);
        let quarantine = rows(&world.lake, TableName::Quarantine);
        let identity = rows(&world.lake, TableName::Identity);
        let people = outcome.people(world, &events, &identity);
        outcome.reconcile(world, &events, &quarantine, exact);
        outcome.check_identity(world, &identity, &people);
        if exact {
            outcome.recall_refusals(&identity);
        }
        outcome.check_profiles(&rows(&world.lake, TableName::Profiles), &people);
        for row in &events {
            let person = people.get(&profile(row, "profile_id")).map(|(set, _)| name(set)).unwrap_or_default();
            if outcome.facts.insert(format!("message {}", row["message_id"]), person).is_some() {
                outcome.contradictions.push(format!("message {} landed twice", row["message_id"]));
            }
            if exact {
                outcome.facts.insert(format!("event {}", position(row)), format!("{row:?}"));
            }
        }
        for row in &quarantine {
            outcome.facts.insert(format!("quarantined {}", position(row)), format!("{row:?}"));
        }
        if matches!(shape, Shape::Bound | Shape::Cramped) {
            outcome.facts.clear();
        }
        if shape != Shape::Unbound {
            outcome.check_limits(&people);
        }
        outcome
    }

    pub fn difference(&self, other: &Self) -> Option<String> {
        if let Some(first) = self.contradictions.first().or(other.contradictions.first()) {
            return Some(first.clone());
        }
        // One that a later join of a batch has made needless is not made again when the batch comes again, and where two
        // rules forbid a join the other one may be told.
        if let Some(made_up) = other.demotions.difference(&self.demotions).next() {
            return Some(format!("not in a clean pass: {made_up}"));
        }
        let keys: BTreeSet<&String> = self.facts.keys().chain(other.facts.keys()).collect();
        let differs = keys.into_iter().find(|key| self.facts.get(*key) != other.facts.get(*key))?;
        Some(format!("{differs}: {:?} in a clean pass, {:?} here", self.facts.get(differs), other.facts.get(differs)))
    }

    /// Each profile with its set and the fold of its members; each person's fold is a fact.
    fn people(
        &mut self,
        world: &World,
        events: &[Row],
        identity: &[Row],
    ) -> BTreeMap<ProfileId, (IdentitySet, Person)> {
        let mut people = BTreeMap::new();
        let mut told: BTreeSet<ProfileId> = BTreeSet::new();
        let mut landed: BTreeMap<ProfileId, u64> = BTreeMap::new();
        for row in events {
            *landed.entry(profile(row, "profile_id")).or_default() += 1;
        }
        for row in identity.iter().filter(|row| row["decision"] == "claim") {
            landed.entry(profile(row, "profile_id")).or_default();
        }
        for (id, rows) in landed {
            let Some(set) = set_of(world, id) else {
                self.contradictions.push(format!("{id} is told of and has no set"));
                continue;
            };
            let members: Vec<Member> = set.members().iter().filter_map(|id| member(world, *id)).collect();
            let own = members.iter().find(|member| member.id == id).map_or(0, |member| member.events);
            if own != rows {
                self.contradictions.push(format!("{id} counts {own} events, and the table has {rows}"));
            }
            let person = Person::of(&members);
            if told.insert(set.root()) {
                let fold = format!(
                    "{} events, {} duplicates, {:?}, {}, {:?} to {:?}, {:?}",
                    person.events,
                    person.duplicates,
                    person.counts,
                    person.traits_json(),
                    person.first_seen,
                    person.last_seen,
                    person.recent.iter().map(|recent| &recent.message_id).collect::<Vec<_>>()
                );
                self.facts.insert(format!("person {}", name(&set)), fold);
            }
            people.insert(id, (set, person));
        }
        people
    }

    fn reconcile(&mut self, world: &World, events: &[Row], quarantine: &[Row], exact: bool) {
        let checkpoints = block_on(Checkpoints::all(&world.state)).expect("a memory");
        let (mut accepted, mut duplicates) = (0, 0);
        for (partition, checkpoint) in checkpoints.iter() {
            let counts = checkpoint.counts;
            let count = |rows: &[Row]| rows.iter().filter(|row| row["partition"] == partition.as_str()).count() as u64;
            if !counts.add_up() || counts.accepted != count(events) || counts.quarantined != count(quarantine) {
                self.contradictions.push(format!(
                    "{partition}: {counts:?}, and the tables have {} events, {} quarantined",
                    count(events),
                    count(quarantine)
                ));
            }
            self.facts.insert(format!("received {partition}"), format!("{} in {}", counts.received, counts.records));
            if exact {
                self.facts.insert(format!("counts {partition}"), format!("{counts:?}"));
            }
            accepted += counts.accepted;
            duplicates += counts.duplicates;
        }
        self.facts.insert("accepted".to_owned(), accepted.to_string());
        self.facts.insert("duplicates".to_owned(), duplicates.to_string());
        let mut places = BTreeSet::new();
        for row in events.iter().chain(quarantine) {
            if !places.insert(position(row)) {
                self.contradictions.push(format!("{} landed twice", position(row)));
            }
        }
    }

    /// The `identity` table tells the same claims, edges and canonical profiles as State.
    fn check_identity(&mut self, world: &World, rows: &[Row], people: &BTreeMap<ProfileId, (IdentitySet, Person)>) {
        let mut claims: BTreeMap<(String, String), ProfileId> = BTreeMap::new();
        for row in rows.iter().filter(|row| row["decision"] == "claim") {
            let key = (row["namespace"].clone(), row["value"].clone());
            if claims.insert(key.clone(), profile(row, "profile_id")).is_some() {
                self.contradictions.push(format!("{key:?} was claimed twice"));
            }
        }
        for ((namespace, value), told) in &claims {
            let namespace: Namespace = namespace.parse().expect("a namespace");
            let identifier = Identifier::new(namespace, value.clone()).expect("an identifier");
            let item = block_on(world.state.get(&[claim_key(&identifier)])).expect("a memory").pop().flatten();
            let held = item.map(|item| Claim::decode(item.body).expect("just written").profile);
            if held != Some(*told) {
                self.contradictions
                    .push(format!("{identifier} is claimed by {told} in the table, by {held:?} in State"));
            }
        }
        let mut canonical: BTreeMap<ProfileId, (i64, ProfileId)> = BTreeMap::new();
        for row in rows.iter().filter(|row| row["decision"] == "canonical") {
            let newest = (row["revision"].parse().expect("a number"), profile(row, "canonical_id"));
            let known = canonical.entry(profile(row, "profile_id")).or_insert(newest);
            *known = (*known).max(newest);
        }
        let edges = rows.iter().filter(|row| row["decision"] == "edge").count();
        let roots: BTreeMap<ProfileId, &IdentitySet> = people.values().map(|(set, _)| (set.root(), set)).collect();
        let held: usize = roots.values().map(|set| set.held.len()).sum();
        let joined: usize = roots.values().map(|set| set.edges.len()).sum();
        for held in roots.values().flat_map(|set| &set.held) {
            let key = (held.identifier.namespace.to_string(), held.identifier.value.to_string());
            if !claims.contains_key(&key) {
                self.contradictions
                    .push(format!("{} is held in State, and the table has no claim of it", held.identifier));
            }
        }
        if claims.len() != held || edges != joined {
            self.contradictions
                .push(format!("State holds {held} claims and {joined} edges, the table {} and {edges}", claims.len()));
        }
        for (id, (set, _)) in people {
            let told = canonical.get(id).map_or(*id, |(_, root)| *root);
            if told != set.root() {
                self.contradictions.push(format!("{id} is {told} in the table, {} in State", set.root()));
            }
        }
    }

    /// What is blocked, and what a rule kept from joining.
    fn recall_refusals(&mut self, rows: &[Row]) {
        for row in rows {
            let told = || format!("{} of {}:{} at {}", row["decision"], row["namespace"], row["value"], position(row));
            let is_new = match row["decision"].as_str() {
                "blocked" => self.facts.insert(told(), format!("{row:?}")).is_none(),
                "demoted" => self.demotions.insert(told()),
                _ => true,
            };
            if !is_new {
                self.contradictions.push(format!("{} is told twice", told()));
            }
        }
    }

    fn check_limits(&mut self, people: &BTreeMap<ProfileId, (IdentitySet, Person)>) {
        let rules = &*DEFAULT_RULES;
        for (set, _) in people.values() {
            let mut values: BTreeMap<&Namespace, usize> = BTreeMap::new();
            set.held.iter().for_each(|held| *values.entry(&held.identifier.namespace).or_default() += 1);
            let by_alias = |namespace: &Namespace| if *namespace == Namespace::USER_ID { set.aliases } else { 0 };
            let limit = |namespace: &Namespace| rules.limit(namespace).values + by_alias(namespace);
            if let Some((namespace, count)) = values.iter().find(|(namespace, count)| **count > limit(namespace)) {
                self.contradictions.push(format!("{} has {count} values of {namespace}", name(set)));
            }
        }
    }

    /// The newest row of each profile is the person as State has it.
    fn check_profiles(&mut self, rows: &[Row], people: &BTreeMap<ProfileId, (IdentitySet, Person)>) {
        let mut newest: BTreeMap<ProfileId, (i64, &Row)> = BTreeMap::new();
        for row in rows {
            let revision: i64 = row["revision"].parse().expect("a number");
            let known = newest.entry(profile(row, "profile_id")).or_insert((revision, row));
            if known.0 < revision {
                *known = (revision, row);
            }
        }
        for (id, (set, person)) in people {
            let Some((_, row)) = newest.get(&set.root()) else {
                self.contradictions.push(format!("{} has no row in profiles", set.root()));
                continue;
            };
            let (told, known) = ((&row["events"], &row["traits"]), (person.events.to_string(), person.traits_json()));
            if (told.0, told.1) != (&known.0, &known.1) {
                self.contradictions.push(format!("{} is {told:?} in profiles, {known:?} in State", set.root()));
            }
            let merged = newest.get(id).and_then(|(_, row)| row.get("merged_into"));
            let expected = (*id != set.root()).then(|| set.root().to_string());
            if newest.contains_key(id) && merged != expected.as_ref() {
                self.contradictions
                    .push(format!("{id} is merged into {merged:?} in profiles, into {expected:?} in State"));
            }
        }
    }
}

fn name(set: &IdentitySet) -> String {
    let names: BTreeSet<String> = set.held.iter().map(|held| held.identifier.to_string()).collect();
    names.into_iter().collect::<Vec<_>>().join(" ")
}

fn set_of(world: &World, id: ProfileId) -> Option<IdentitySet> {
    match profile_item(world, id)?.belonging {
        Belonging::Alone(set) => Some(set),
        Belonging::To(root) => set_at(world, root),
    }
}

fn set_at(world: &World, root: ProfileId) -> Option<IdentitySet> {
    let item = block_on(world.state.get(&[set_key(root)])).expect("a memory").pop().flatten()?;
    match SetItem::decode(item.body).expect("just written") {
        SetItem::Root(set) => Some(set),
        SetItem::MergedInto(root) => set_at(world, root),
    }
}

fn member(world: &World, id: ProfileId) -> Option<Member> {
    profile_item(world, id).map(|item| item.member)
}

fn profile_item(world: &World, id: ProfileId) -> Option<ProfileItem> {
    let item = block_on(world.state.get(&[profile_key(id)])).expect("a memory").pop().flatten()?;
    Some(ProfileItem::decode(item.body, id).expect("just written"))
}
