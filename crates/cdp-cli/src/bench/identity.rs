//! How well stitching finds people: pairwise precision, recall and F1 over pairs of accepted events, against a file that
//! names the person behind each line. Online, in one pass, under the deployment's default rules.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Mutex;

use adapter_fjall::FjallState;
use adapter_memory::MemoryLake;
use arrow::array::AsArray;
use arrow::record_batch::RecordBatch;
use cdp_app::Ingest;
use cdp_event::{PartitionId, Record};
use cdp_identity::{ProfileId, Rules};
use cdp_ports::{Batches, DataFile, Landing, PortResult, TableName};
use clap::Args;
use futures::executor::block_on;

use super::report::{Output, Report};
use super::source::lines;
use crate::fault::Fault;
use crate::progress;
use adapter_machine::Machine;

const BATCH: usize = 20_000;

/// Measures stitching against the truth of a labelled stream.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cdp bench identity --events hard/events.jsonl --truth hard/truth.csv\n\n\
    events/clickstream/generate.py makes such a stream. Exits with 1 when F1 is below --at-least, or a profile \
    has more people than --at-most-people.")]
pub struct Identity {
    /// One event a line, in the order of arrival.
    #[arg(long, value_name = "FILE")]
    events: PathBuf,
    /// `line,message_id,person,flags`, one row for each line of the events.
    #[arg(long, value_name = "FILE")]
    truth: PathBuf,
    /// Exit with 1 when F1 is lower.
    #[arg(long, default_value_t = 0.0)]
    at_least: f64,
    /// Exit with 1 when one profile has events of more people.
    #[arg(long, value_name = "PEOPLE")]
    at_most_people: Option<usize>,
    #[command(flatten)]
    output: Output,
}

impl Identity {
    pub fn run(self) -> Result<(), Fault> {
        let found = block_on(stitch(lines(&self.events)?))?;
        let truth = read_truth(&self.truth)?;
        let score = Score::of(found.iter().filter_map(|(line, profile)| Some((*profile, *truth.get(line)?))));
        let mut report = Report::of("identity");
        report.parameter("events", self.events.display().to_string());
        report.parameter("truth", self.truth.display().to_string());
        score.tell(&mut report);
        report.publish(&self.output)?;
        if score.f1() < self.at_least {
            return Err(Fault::no(format!("F1 is {:.4}, below {}", score.f1(), self.at_least)));
        }
        if let Some(most) = self.at_most_people.filter(|most| score.most_people > *most) {
            return Err(Fault::no(format!("a profile has {} people, more than {most}", score.most_people)));
        }
        Ok(())
    }
}

/// A lake that remembers which profile each line went to, and who is canonical.
#[derive(Default)]
struct Tape {
    lake: MemoryLake,
    owners: Mutex<Vec<(u64, ProfileId)>>,
    canonical: Mutex<HashMap<ProfileId, (i64, ProfileId)>>,
}

impl Landing for Tape {
    async fn put(&self, table: TableName, date: &str, name: &str, rows: Batches<'_>) -> PortResult<DataFile> {
        let mut noted = rows.map(|batch| {
            let batch = batch?;
            match table {
                TableName::Events => self.note_owners(&batch),
                TableName::Identity => self.note_canonical(&batch),
                TableName::Quarantine | TableName::Profiles => {}
            }
            Ok(batch.slice(0, 0))
        });
        self.lake.put(table, date, name, &mut noted).await
    }
}

fn texts<'r>(rows: &'r RecordBatch, column: &str) -> impl Iterator<Item = Option<&'r str>> {
    rows.column_by_name(column).and_then(|column| column.as_string_opt::<i32>()).into_iter().flatten()
}

impl Tape {
    fn note_owners(&self, rows: &RecordBatch) {
        let lines = texts(rows, "sequence").zip(texts(rows, "profile_id"));
        let owners = lines.filter_map(|(line, owner)| Some((line?.parse().ok()?, owner?.parse().ok()?)));
        self.owners.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(owners);
    }

    fn note_canonical(&self, rows: &RecordBatch) {
        let Some(revisions) = rows.column_by_name("revision") else { return };
        let revisions = revisions.as_primitive::<arrow::datatypes::Int64Type>().iter();
        let mut canonical = self.canonical.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for ((profile, root), revision) in texts(rows, "profile_id").zip(texts(rows, "canonical_id")).zip(revisions) {
            let parsed = |id: Option<&str>| id.and_then(|id| id.parse::<ProfileId>().ok());
            if let (Some(profile), Some(root), Some(revision)) = (parsed(profile), parsed(root), revision) {
                let newest = canonical.entry(profile).or_insert((revision, root));
                *newest = (*newest).max((revision, root));
            }
        }
    }
}

/// Each accepted line with its canonical profile.
async fn stitch(events: Vec<bytes::Bytes>) -> Result<Vec<(u64, ProfileId)>, Fault> {
    let folder = tempfile::tempdir()?;
    let state = FjallState::open(folder.path(), 64 << 20).map_err(Fault::unavailable)?;
    let ingest = Ingest { state, lake: Tape::default(), clock: Machine, rules: Rules::default() };
    let mut worker = ingest.open(PartitionId::new("bench")).await.map_err(Fault::unavailable)?;
    let bar = progress::towards(events.len() as u64, "events");
    for (at, batch) in events.chunks(BATCH).enumerate() {
        let records: Vec<Record> = batch.iter().zip((at * BATCH) as u64..).map(record).collect();
        worker.take_records(&records, "bench").await.map_err(Fault::unavailable)?;
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    let Tape { owners, canonical, .. } = ingest.lake;
    let canonical = canonical.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let owners = owners.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let root = |profile: ProfileId| canonical.get(&profile).map_or(profile, |(_, root)| *root);
    Ok(owners.into_iter().map(|(line, profile)| (line, root(profile))).collect())
}

fn record((data, line): (&bytes::Bytes, u64)) -> Record {
    use cdp_ports::Clock;
    Record { sequence: line.into(), arrived_at: Machine.now(), partition_key: "".into(), data: data.clone() }
}

fn read_truth(path: &std::path::Path) -> Result<HashMap<u64, u64>, Fault> {
    let wrong = |error: csv::Error| Fault::wrong(format!("{}: {error}", path.display()));
    let mut reader = csv::Reader::from_path(path).map_err(wrong)?;
    let mut truth = HashMap::new();
    for row in reader.deserialize::<(u64, String, u64, String)>() {
        let (line, _, person, _) = row.map_err(wrong)?;
        truth.insert(line, person);
    }
    Ok(truth)
}

/// Counts of pairs: of one person, of one profile, of both.
#[derive(Debug, Default, PartialEq)]
struct Score {
    events: u64,
    profiles: u64,
    people: u64,
    true_pairs: u64,
    found_pairs: u64,
    right_pairs: u64,
    most_people: usize,
}

impl Score {
    fn of(events: impl Iterator<Item = (ProfileId, u64)>) -> Self {
        let (mut of_profile, mut of_person, mut of_both) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut people: HashMap<ProfileId, HashSet<u64>> = HashMap::new();
        let mut count = 0;
        for (profile, person) in events {
            count += 1;
            *of_profile.entry(profile).or_default() += 1;
            *of_person.entry(person).or_default() += 1;
            *of_both.entry((profile, person)).or_default() += 1;
            people.entry(profile).or_default().insert(person);
        }
        Self {
            events: count,
            profiles: of_profile.len() as u64,
            people: of_person.len() as u64,
            true_pairs: of_person.into_values().map(pairs).sum(),
            found_pairs: of_profile.into_values().map(pairs).sum(),
            right_pairs: of_both.into_values().map(pairs).sum(),
            most_people: people.values().map(HashSet::len).max().unwrap_or_default(),
        }
    }

    fn tell(&self, report: &mut Report) {
        report.count("events", self.events);
        report.count("profiles", self.profiles);
        report.count("people", self.people);
        report.figure("precision", self.precision(), "");
        report.figure("recall", self.recall(), "");
        report.figure("f1", self.f1(), "");
        report.count("most_people_in_a_profile", self.most_people as u64);
    }

    fn precision(&self) -> f64 {
        self.right_pairs as f64 / self.found_pairs.max(1) as f64
    }

    fn recall(&self) -> f64 {
        self.right_pairs as f64 / self.true_pairs.max(1) as f64
    }

    fn f1(&self) -> f64 {
        let (precision, recall) = (self.precision(), self.recall());
        if precision + recall == 0.0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) }
    }
}

fn pairs(events: u64) -> u64 {
    events * events.saturating_sub(1) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_counted_as_the_measure_says() {
        let profile = |n: u8| ProfileId::from_bytes([n; 16]);
        let events = [(1, 7), (1, 7), (1, 8), (2, 8)].map(|(p, person)| (profile(p), person));
        let score = Score::of(events.into_iter());
        assert_eq!((score.true_pairs, score.found_pairs, score.right_pairs, score.most_people), (2, 3, 1, 2));
    }
}
