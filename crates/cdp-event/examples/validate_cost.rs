//! CPU that one event costs from bytes to a validated event: `cargo run --release -p cdp-event --example validate_cost EVENTS.jsonl`

#![expect(clippy::print_stdout, reason = "an example prints what it found")]

use std::error::Error;
use std::fs;
use std::time::Duration;

use cdp_event::{Parts, Record, Sequence, Timestamp, decode, validate};

const ROUNDS: u32 = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("the path of a file with one event a line is missing")?;
    let text = fs::read(path)?;
    let records: Vec<Record> = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .zip(0u64..)
        .map(|(line, at)| Record {
            sequence: Sequence::from(at),
            arrived_at: Timestamp::from_ms(1_769_851_800_000),
            partition_key: "k".into(),
            data: line.to_vec().into(),
        })
        .collect();
    let (mut best, mut valid) = (Duration::MAX, 0);
    for _ in 0..ROUNDS {
        let began = cpu_time()?;
        valid = records
            .iter()
            .map(|record| {
                let parts = Parts::of(record);
                decode(record, &parts, "web")
                    .filter(|decoded| decoded.event.as_ref().is_ok_and(|raw| validate(raw).is_ok()))
                    .count()
            })
            .sum();
        best = best.min(cpu_time()? - began);
    }
    println!("{valid} of {} records are events", records.len());
    println!("{:.0} CPU-ns a record, best of {ROUNDS} rounds", best.as_nanos() as f64 / records.len() as f64);
    Ok(())
}

/// CPU time of this thread so far.
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    let schedule = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = schedule.split(' ').next().ok_or("no time in schedstat")?.parse()?;
    Ok(Duration::from_nanos(nanos))
}
