//! CPU and bytes that one event costs as a row and in a file, so that the settings are chosen by measurement:
//! `cargo run --release -p cdp-lake --example encode_cost EVENTS.jsonl [ROWS_IN_FILE]`

#![expect(clippy::print_stdout, reason = "an example prints what it found")]

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::time::Duration;

use bytes::Bytes;
use cdp_event::{Event, Offset, PartitionId, Parts, Record, Sequence, Timestamp, decode, validate};
use cdp_identity::ProfileId;
use cdp_lake::encode::encode;
use cdp_lake::rows::EventRows;

const ROUNDS: u32 = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("the path of a file with one event a line is missing")?;
    let rows_in_file: usize = arguments.next().map_or(Ok(50_000), |text| text.parse())?;
    let records = records(&fs::read(path)?);
    let held: Vec<Parts> = records.iter().map(Parts::of).collect();
    let events: Vec<Event<'_>> = records
        .iter()
        .zip(&held)
        .flat_map(|(record, parts)| decode(record, parts, "web"))
        .filter_map(|decoded| validate(&decoded.event.ok()?).ok())
        .collect();
    let profiles = profiles(&events);
    let partition = PartitionId::new("shardId-000000000000");

    let (mut as_rows, mut as_file, mut bytes) = (Duration::MAX, Duration::MAX, 0);
    for _ in 0..ROUNDS {
        let (mut in_rows, mut in_file) = (Duration::ZERO, Duration::ZERO);
        bytes = 0;
        for (events, profiles) in events.chunks(rows_in_file).zip(profiles.chunks(rows_in_file)) {
            let started = cpu_time()?;
            let mut rows = EventRows::default();
            for (event, profile) in events.iter().zip(profiles) {
                rows.push(&partition, event, *profile);
            }
            let rows = rows.finish()?;
            let built = cpu_time()?;
            bytes += encode(&rows)?.bytes.len();
            in_rows += built - started;
            in_file += cpu_time()? - built;
        }
        (as_rows, as_file) = (as_rows.min(in_rows), as_file.min(in_file));
    }
    let each = |cost: Duration| cost.as_secs_f64() * 1e6 / events.len() as f64;
    println!("{} events in files of {rows_in_file}, best of {ROUNDS} rounds", events.len());
    println!("rows    {:6.2} CPU-µs an event", each(as_rows));
    println!("file    {:6.2} CPU-µs an event, {} bytes", each(as_file), bytes / events.len());
    Ok(())
}

fn records(lines: &[u8]) -> Vec<Record> {
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let record = |(line, sequence): (&[u8], u64)| Record {
        sequence: Sequence::from(sequence),
        arrived_at: Timestamp::from_ms(1_740_789_266_435 + sequence as i64 / 100),
        partition_key: "".into(),
        data: Bytes::copy_from_slice(line),
    };
    lines.zip(0..).map(record).collect()
}

/// About as many profiles as there are people: one for each first identifier.
fn profiles(events: &[Event<'_>]) -> Vec<ProfileId> {
    let mut known: HashMap<&str, ProfileId> = HashMap::new();
    let partition = PartitionId::new("shardId-000000000000");
    let profile = |event| {
        let Event { identifiers, offset, timestamp, .. }: &Event<'_> = event;
        let name = identifiers.first().map_or("", |identifier| &*identifier.value);
        *known.entry(name).or_insert_with(|| ProfileId::created_by(&partition, Offset::clone(offset), *timestamp))
    };
    events.iter().map(profile).collect()
}

/// CPU time of this thread so far.
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    let schedule = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = schedule.split(' ').next().ok_or("no time in schedstat")?.parse()?;
    Ok(Duration::from_nanos(nanos))
}
