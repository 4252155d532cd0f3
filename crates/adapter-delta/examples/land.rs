//! Lands a file of events in a lake, one commit for each file, and says what the commits cost:
//! `cargo run -p adapter-delta --example land EVENTS.jsonl LAKE [ROWS_IN_FILE] [COMMITS]`
//!
//! Each event gets a profile of its own identifier, each profile a claim: a lake for readers to try, not a stitched one.

#![expect(clippy::print_stdout, reason = "an example prints what it found")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use adapter_delta::DeltaLake;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use cdp_event::{Offset, PartitionId, Parts, Record, Sequence, Timestamp, decode, validate};
use cdp_identity::ProfileId;
use cdp_lake::rows::{EventRows, IdentityRow, IdentityRows, ProfileRow, ProfileRows, QuarantineRow, QuarantineRows};
use cdp_ports::{Lake, Landing, TableName};
use futures::executor::block_on;

const SHOWN_EVERY: usize = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(events), Some(lake)) = (arguments.next(), arguments.next()) else {
        return Err("EVENTS.jsonl and LAKE are missing".into());
    };
    let rows_in_file: usize = arguments.next().map_or(Ok(5000), |text| text.parse())?;
    let commits: usize = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let records = records(&fs::read(events)?);
    let lake = DeltaLake::open(Path::new(&lake))?;
    let plan_of = |table| block_on(lake.last_plan(table)).map(|plan| plan.unwrap_or(0));

    let mut took = Vec::new();
    for (number, records) in records.chunks(rows_in_file).cycle().take(commits).enumerate() {
        let date = format!("2026-01-{:02}", 1 + number % 3);
        for (table, rows) in tables(records)? {
            let name = format!("{number}-{:x}", std::process::id());
            let file = block_on(lake.put(table, &date, &name, &mut std::iter::once(Ok(rows))))?;
            let plan = plan_of(table)? + 1;
            let started = Instant::now();
            block_on(lake.commit(table, plan, &[file]))?;
            took.push(started.elapsed());
        }
        if took.len() >= SHOWN_EVERY {
            show(&lake, &mut took)?;
        }
    }
    if took.is_empty() { Ok(()) } else { show(&lake, &mut took) }
}

fn show(lake: &DeltaLake, took: &mut Vec<Duration>) -> Result<(), Box<dyn Error>> {
    took.sort();
    let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap_or_default();
    let (median, slow, slowest) = (at(0.5), at(0.99), at(1.0).max(took.last().copied().unwrap_or_default()));
    let started = Instant::now();
    let newest = lake.newest(TableName::Events)?;
    println!(
        "{} commits: median {median:?}, p99 {slow:?}, slowest {slowest:?}; {} files at version {} listed in {:?}",
        took.len(),
        newest.files.len(),
        newest.version,
        started.elapsed()
    );
    took.clear();
    Ok(())
}

fn records(lines: &[u8]) -> Vec<Record> {
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let record = |(line, sequence): (&[u8], u64)| Record {
        sequence: Sequence::from(sequence),
        arrived_at: Timestamp::from_ms(1_767_225_600_000 + sequence as i64),
        partition_key: "".into(),
        data: Bytes::copy_from_slice(line),
    };
    lines.zip(0..).map(record).collect()
}

fn tables(records: &[Record]) -> Result<[(TableName, RecordBatch); 4], Box<dyn Error>> {
    let partition = PartitionId::new("shardId-000000000000");
    let (mut events, mut quarantine) = (EventRows::default(), QuarantineRows::default());
    let (mut identity, mut profiles) = (IdentityRows::default(), ProfileRows::default());
    let mut counts: BTreeMap<ProfileId, (u64, Timestamp)> = BTreeMap::new();
    for record in records {
        let parts = Parts::of(record);
        for decoded in decode(record, &parts, "web") {
            let event = match decoded.event.and_then(|raw| validate(&raw)) {
                Ok(event) => event,
                Err(rejection) => {
                    let (at, source) = (record.arrived_at, &decoded.source);
                    let (rejection, bytes) = (&rejection, decoded.bytes);
                    let row = QuarantineRow { received_at: at, source, rejection, bytes, request: None };
                    quarantine.push(&partition, decoded.offset, &row);
                    continue;
                }
            };
            let Some(identifier) = event.identifiers.first() else { continue };
            let hash =
                identifier.value.bytes().fold(7u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
            let from = Offset::new(Sequence::from(hash), 0);
            let profile = ProfileId::created_by(&partition, from, Timestamp::from_ms(1_767_225_600_000));
            events.push(&partition, &event, profile);
            let known = counts.entry(profile).or_insert((0, event.timestamp));
            *known = (known.0 + 1, known.1.max(event.timestamp));
            if known.0 == 1 {
                let claim = IdentityRow {
                    decided_at: record.arrived_at,
                    decision: "claim",
                    profile,
                    identifier: Some(identifier),
                    other: None,
                    canonical: None,
                    revision: None,
                    rule: None,
                };
                identity.push(&partition, event.offset, "default-1", &claim);
            }
        }
    }
    for ((profile, (events, last_seen)), revision) in counts.iter().zip(1..) {
        let row = ProfileRow {
            profile: *profile,
            revision,
            merged_into: None,
            first_seen: None,
            last_seen: Some(*last_seen),
            events: *events,
            traits: "{}",
            identifiers: "[]",
            counts: "{}",
            members: "[]",
            written_at: *last_seen,
        };
        profiles.push(&partition, Offset::default(), &row);
    }
    Ok([
        (TableName::Events, events.finish()?),
        (TableName::Quarantine, quarantine.finish()?),
        (TableName::Identity, identity.finish()?),
        (TableName::Profiles, profiles.finish()?),
    ])
}
