//! The part of the road that no platform can do without: an event's bytes are parsed, checked, and written as Parquet.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cdp_event::{PartitionId, Parts, Record, Sequence, decode, validate};
use cdp_identity::ProfileId;
use cdp_lake::encode::TableFile;
use cdp_lake::layout;
use cdp_lake::rows::EventRows;
use cdp_ports::Clock;
use clap::Args;

use super::measure::Usage;
use super::report::{Output, Report};
use super::source::Events;
use crate::fault::Fault;
use crate::progress;
use adapter_machine::Machine;

/// Measures parsing and Parquet alone, on one thread: no log, no profiles, no disk.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cdp bench parse --events labelled/events.jsonl\n\n\
    Compare it with what another engine takes from the same lines to a Parquet file, and with `cdp bench road`.")]
pub struct Parse {
    #[command(flatten)]
    events: Events,
    /// Events of one Parquet file.
    #[arg(long, default_value_t = 32_000)]
    batch: usize,
    #[command(flatten)]
    output: Output,
}

/// As ingest lands them.
const ROWS_AT_A_TIME: usize = 1024;

#[derive(Default)]
struct Done {
    events: u64,
    refused: u64,
    parquet_bytes: u64,
    parse: Duration,
    parquet: Duration,
}

impl Parse {
    pub fn run(self) -> Result<(), Fault> {
        let (usage, began) = (Usage::of_this_process(), Instant::now());
        let bar = progress::counting("events");
        let mut lines = self.events.each()?;
        let mut done = Done::default();
        loop {
            let batch: Vec<Bytes> = lines.by_ref().take(self.batch.max(1)).collect::<io::Result<_>>()?;
            if batch.is_empty() {
                break;
            }
            bar.inc(batch.len() as u64);
            done.take(batch)?;
        }
        bar.finish_and_clear();

        let mut report = Report::of("parse");
        self.events.tell(&mut report);
        report.parameter("batch", self.batch);
        report.count("events", done.events);
        report.count("quarantined", done.refused);
        report.megabytes("parquet", done.parquet_bytes);
        report.rate("events_per_second", done.events, began.elapsed());
        report.peak_memory("peak_memory", &usage);
        report.cpu("cpu", &usage, done.events);
        report.parts(&[("parse", done.parse), ("parquet", done.parquet)]);
        report.publish(&self.output)
    }
}

impl Done {
    fn take(&mut self, batch: Vec<Bytes>) -> Result<(), Fault> {
        let began = Instant::now();
        let (partition, profile) = (PartitionId::new("bench"), ProfileId::from_bytes([0; 16]));
        let arrived_at = Machine.now();
        let records: Vec<(Record, Parts)> = (self.events..)
            .zip(batch)
            .map(|(sequence, data)| Record {
                sequence: Sequence::from(sequence),
                arrived_at,
                partition_key: "".into(),
                data,
            })
            .map(|record| (record.clone(), Parts::of(&record)))
            .collect();
        let decoded = records.iter().flat_map(|(record, parts)| decode(record, parts, "bench"));
        let mut events = Vec::with_capacity(records.len());
        for decoded in decoded {
            match decoded.event.and_then(|raw| validate(&raw)) {
                Ok(event) => events.push(event),
                Err(_) => self.refused += 1,
            }
        }
        self.events += records.len() as u64;
        self.parse += began.elapsed();

        let began = Instant::now();
        let mut file = TableFile::new(layout::EVENTS.clone(), Vec::new()).map_err(Fault::unavailable)?;
        for some in events.chunks(ROWS_AT_A_TIME) {
            let mut rows = EventRows::sized_for(some);
            some.iter().for_each(|event| rows.push(&partition, event, profile));
            file.write(&rows.finish().map_err(Fault::unavailable)?).map_err(Fault::unavailable)?;
        }
        let (bytes, _) = file.finish().map_err(Fault::unavailable)?;
        self.parquet_bytes += bytes.len() as u64;
        self.parquet += began.elapsed();
        Ok(())
    }
}
