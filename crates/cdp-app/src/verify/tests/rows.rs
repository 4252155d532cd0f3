//! The tables of the memory lake, as the proof asks for them.

use std::collections::BTreeMap;

use adapter_memory::MemoryLake;
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type};
use cdp_event::PartitionId;
use cdp_identity::ProfileId;
use cdp_ports::{PortResult, TableName};
use futures::stream::{self, BoxStream, StreamExt};

use crate::verify::{CanonicalRow, ClaimCount, NewestRow, ProfileCount, RepeatedPosition, TableFacts};

/// The tables' rows, as far as the proof asks for them. A claim's `rows` is 1: it is one.
#[derive(Clone, Default)]
pub struct Rows {
    /// Partition, sequence, sub, and the profile where it is an event.
    pub events: Vec<(String, String, i32, String)>,
    pub quarantine: Vec<(String, String, i32)>,
    pub claims: Vec<ClaimCount>,
    pub edges: u64,
    /// Each with its revision.
    pub canonical: Vec<(i64, CanonicalRow)>,
    pub profiles: Vec<NewestRow>,
    /// In each partition, beyond those that were sent.
    pub more_records: u64,
}

impl Rows {
    pub fn of(lake: &MemoryLake) -> Self {
        let mut rows = Self::default();
        for batch in lake.rows(TableName::Events) {
            let profiles = texts(&batch, "profile_id");
            rows.events.extend(positions(&batch).into_iter().zip(profiles).map(|((p, s, sub), id)| (p, s, sub, id)));
        }
        for batch in lake.rows(TableName::Quarantine) {
            rows.quarantine.extend(positions(&batch));
        }
        lake.rows(TableName::Identity).iter().for_each(|batch| rows.add_identity(batch));
        lake.rows(TableName::Profiles).iter().for_each(|batch| rows.add_profiles(batch));
        rows
    }

    fn add_identity(&mut self, batch: &RecordBatch) {
        let [decisions, namespaces, values, profiles, canonical] =
            ["decision", "namespace", "value", "profile_id", "canonical_id"].map(|name| texts(batch, name));
        let revisions = numbers(batch, "revision");
        for (at, decision) in decisions.iter().enumerate() {
            let profile_id = profiles[at].clone();
            match decision.as_str() {
                "claim" => {
                    let (namespace, value) = (namespaces[at].clone(), values[at].clone());
                    self.claims.push(ClaimCount { namespace, value, profile_id, rows: 1 });
                }
                "edge" => self.edges += 1,
                "canonical" => {
                    let canonical_id = canonical[at].clone();
                    self.canonical.push((revisions[at], CanonicalRow { profile_id, canonical_id }));
                }
                _ => {}
            }
        }
    }

    fn add_profiles(&mut self, batch: &RecordBatch) {
        let (profiles, merged) = (texts(batch, "profile_id"), texts(batch, "merged_into"));
        let (revisions, events) = (numbers(batch, "revision"), numbers(batch, "events"));
        for (at, profile_id) in profiles.into_iter().enumerate() {
            let merged_into = Some(merged[at].clone()).filter(|id| !id.is_empty());
            let events = events[at].try_into().expect("a count");
            self.profiles.push(NewestRow { profile_id, revision: revisions[at], merged_into, events });
        }
    }

    pub fn newest(&mut self, profile: ProfileId) -> &mut NewestRow {
        let rows = self.profiles.iter_mut().filter(|row| row.profile_id == profile.to_string());
        rows.max_by_key(|row| row.revision).expect("a row")
    }
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<String> {
    let column = batch.column_by_name(name).expect("a column of the layout").as_string::<i32>();
    column.iter().map(|text| text.unwrap_or_default().to_owned()).collect()
}

fn numbers(batch: &RecordBatch, name: &str) -> Vec<i64> {
    let column = batch.column_by_name(name).expect("a column of the layout").as_primitive::<Int64Type>();
    column.iter().map(Option::unwrap_or_default).collect()
}

fn positions(batch: &RecordBatch) -> Vec<(String, String, i32)> {
    let subs = batch.column_by_name("sub").expect("a column of the layout").as_primitive::<Int32Type>();
    let places = texts(batch, "partition").into_iter().zip(texts(batch, "sequence"));
    places.zip(subs.values()).map(|((partition, sequence), sub)| (partition, sequence, *sub)).collect()
}

fn counted<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, u64> {
    let mut counts = BTreeMap::new();
    keys.for_each(|key| *counts.entry(key).or_default() += 1);
    counts
}

/// Tables as they stand whenever they are asked.
pub struct Tables<F>(pub F);

impl<F: Fn() -> Rows + Sync> TableFacts for Tables<F> {
    async fn rows_by_partition(&self, table: TableName) -> PortResult<Vec<(PartitionId, u64)>> {
        futures::pending!();
        let rows = self.0();
        let partitions: Vec<&String> = match table {
            TableName::Events => rows.events.iter().map(|(partition, ..)| partition).collect(),
            _ => rows.quarantine.iter().map(|(partition, ..)| partition).collect(),
        };
        Ok(counted(partitions.into_iter()).into_iter().map(|(name, rows)| (PartitionId::new(name), rows)).collect())
    }

    async fn repeated_positions(&self) -> PortResult<Vec<RepeatedPosition>> {
        let rows = self.0();
        let events = rows.events.iter().map(|(partition, sequence, sub, _)| (partition, sequence, *sub));
        let refused = rows.quarantine.iter().map(|(partition, sequence, sub)| (partition, sequence, *sub));
        let repeated = counted(events.chain(refused)).into_iter().filter(|(_, rows)| *rows > 1);
        let told = |((partition, sequence, sub), rows): ((&String, &String, i32), u64)| RepeatedPosition {
            partition: partition.clone(),
            sequence: sequence.clone(),
            sub,
            rows,
        };
        Ok(repeated.map(told).collect())
    }

    fn events_by_profile(&self) -> BoxStream<'_, PortResult<Vec<ProfileCount>>> {
        self.pages(|rows| {
            let counts = counted(rows.events.into_iter().map(|(.., profile)| profile));
            counts.into_iter().map(|(profile_id, rows)| ProfileCount { profile_id, rows }).collect()
        })
    }

    fn claimants(&self) -> BoxStream<'_, PortResult<Vec<String>>> {
        self.pages(|rows| counted(rows.claims.into_iter().map(|claim| claim.profile_id)).into_keys().collect())
    }

    fn canonical(&self) -> BoxStream<'_, PortResult<Vec<CanonicalRow>>> {
        self.pages(|mut rows| {
            rows.canonical.sort_by_key(|(revision, _)| *revision);
            let newest = rows.canonical.into_iter().map(|(_, row)| (row.profile_id.clone(), row));
            newest.collect::<BTreeMap<_, _>>().into_values().collect()
        })
    }

    fn newest_profiles(&self) -> BoxStream<'_, PortResult<Vec<NewestRow>>> {
        self.pages(|mut rows| {
            rows.profiles.sort_by_key(|row| row.revision);
            let newest = rows.profiles.into_iter().map(|row| (row.profile_id.clone(), row));
            newest.collect::<BTreeMap<_, _>>().into_values().collect()
        })
    }

    fn claims(&self) -> BoxStream<'_, PortResult<Vec<ClaimCount>>> {
        self.pages(|rows| {
            let claims = rows.claims.into_iter().map(|claim| (claim.namespace, claim.value, claim.profile_id));
            let claim = |((namespace, value, profile_id), rows)| ClaimCount { namespace, value, profile_id, rows };
            counted(claims).into_iter().map(claim).collect()
        })
    }

    async fn edges(&self) -> PortResult<u64> {
        futures::pending!();
        Ok(self.0().edges)
    }
}

impl<F: Fn() -> Rows + Sync> Tables<F> {
    /// The rows of one moment, a row at a time.
    fn pages<T: Send + 'static>(&self, answer: fn(Rows) -> Vec<T>) -> BoxStream<'_, PortResult<Vec<T>>> {
        let rows = async move {
            futures::pending!();
            stream::iter(answer(self.0())).map(|row| Ok(vec![row]))
        };
        stream::once(rows).flatten().boxed()
    }
}
