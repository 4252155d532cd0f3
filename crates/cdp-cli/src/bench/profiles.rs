//! Many people: how fast they come in, what they take in memory and on the disk, and how fast each is found again.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cdp_app::{Lookup, ProfileName};
use cdp_event::{PartitionId, Record};
use cdp_ports::Clock;
use clap::Args;
use futures::executor::block_on;
use indicatif::ProgressBar;

use super::latency::Latencies;
use super::measure::{Usage, folder_bytes};
use super::people::{People, Person};
use super::report::{Output, Report};
use super::stores::{self, StoresIngest, StoresWorker, Work};
use crate::fault::Fault;
use crate::progress;
use adapter_machine::Machine;

/// Measures memory, disk and lookups with millions of profiles.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cdp bench profiles --people 10000000 --json profiles.json\n\n\
    Each of them is a device that becomes known: user_id, e-mail, anonymous_id, traits, two events. Ten million take some\n\
    gigabytes of disk and some minutes; TMPDIR or --dir chooses where.")]
pub struct Profiles {
    /// How many are made up.
    #[arg(long, default_value_t = 10_000_000)]
    people: u64,
    /// How many take events in, each a part of the people.
    #[arg(long, default_value_t = 2)]
    workers: u64,
    /// Records of one batch, at most.
    #[arg(long, default_value_t = 32_000)]
    batch: usize,
    /// How many are looked up afterwards, at random, by one of their names each.
    #[arg(long, default_value_t = 200_000)]
    lookups: u64,
    /// Where state and lake go, and stay; a temporary folder otherwise.
    #[arg(long)]
    dir: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

impl Profiles {
    pub fn run(self) -> Result<(), Fault> {
        let folder = tempfile::tempdir()?;
        let dir = self.dir.as_deref().unwrap_or(folder.path());
        let mut report = self.parameters();

        let ingest = stores::open(dir)?;
        let (began, usage) = (Instant::now(), Usage::of_this_process());
        let work = self.take_in(&ingest)?;
        let wall = began.elapsed();
        let events = work.counts.received;
        report.count("events", events);
        work.tell_counts(&mut report);
        report.seconds("wall", wall);
        report.rate("events_per_second", events, wall);
        report.cpu("cpu", &usage, events);
        report.parts(&work.ingest_stages());

        let (latencies, wall) = self.look_up(&ingest)?;
        report.rate("lookups_per_second", latencies.count(), wall);
        latencies.tell("lookup", &mut report);
        report.peak_memory("peak_memory", &usage);
        report.megabytes("state_on_disk", folder_bytes(&dir.join("state"))?);
        report.megabytes("lake_on_disk", folder_bytes(&dir.join("lake"))?);
        report.publish(&self.output)
    }

    fn parameters(&self) -> Report {
        let mut report = Report::of("profiles");
        report.parameter("people", self.people);
        report.parameter("workers", self.workers);
        report.parameter("batch", self.batch);
        report.parameter("lookups", self.lookups);
        report
    }

    fn take_in(&self, ingest: &StoresIngest) -> Result<Work, Fault> {
        let bar = progress::towards(self.people * 2, "events");
        let workers = self.workers.max(1);
        let partitions: Vec<_> = (0..workers).map(|part| PartitionId::new(format!("people-{part}"))).collect();
        let work = stores::run(ingest, &partitions, |worker, part| {
            self.work(worker, People::part(part as u64, workers, self.people, Machine.now()), &bar)
        });
        bar.finish_and_clear();
        work
    }

    fn work(&self, mut worker: StoresWorker<'_>, mut people: People, bar: &ProgressBar) -> Result<Work, Fault> {
        let mut work = Work::default();
        let mut sequence = 0;
        loop {
            let arrived_at = Machine.now();
            let record = |data: Bytes| {
                sequence += 1;
                Record { sequence: sequence.into(), arrived_at, partition_key: "".into(), data }
            };
            let records: Vec<Record> = people.by_ref().take(self.batch).map(record).collect();
            if records.is_empty() {
                return Ok(work);
            }
            let report = block_on(worker.take_records(&records, "bench")).map_err(Fault::unavailable)?;
            work.add_batch(&report);
            bar.inc(report.counts.records);
        }
    }

    /// One after the other, in this process: what the store takes, without HTTP.
    fn look_up(&self, ingest: &StoresIngest) -> Result<(Latencies, Duration), Fault> {
        let bar = progress::towards(self.lookups, "lookups");
        let lookup = Lookup { state: &ingest.state };
        let mut latencies = Latencies::default();
        let began = Instant::now();
        for _ in 0..self.lookups {
            let names = Person::number(rand::random_range(0..self.people.max(1))).names();
            let name = &names[rand::random_range(0..names.len())];
            let asked = Instant::now();
            let found = block_on(lookup.find(&ProfileName::parse(name).map_err(Fault::wrong)?));
            latencies.push(asked.elapsed());
            if found.map_err(Fault::unavailable)?.is_none() {
                return Err(Fault::no(format!("{name} was taken in and is not found")));
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok((latencies, began.elapsed()))
    }
}
