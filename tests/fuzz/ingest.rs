//! Damaged records on the whole way of an event. Each of their parts is accepted, a duplicate, or in quarantine with the
//! bytes that came. Between two of them stands a sound one, which no damage beside it may hurt.

use std::collections::BTreeSet;
use std::ops::Range;
use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int32Type;
use bytes::Bytes;
use cdp_app::{BatchReport, Checkpoint, Counts};
use cdp_event::{Envelope, KPL_MAGIC, Record, deaggregate};
use cdp_ports::TableName;
use futures::executor::block_on;

use crate::decoders::{JSON, with_digest};
use crate::memory::most_held;
use crate::mutate::Mutator;
use crate::numbers::{iterations, of_this_run, stretches};
use crate::platform::{Platform, commit, platform, record, shard, take_in};
use crate::seeds;
use crate::stall::is_stalled;

/// Of 100,000 tries.
const SHARE: u64 = 20;
const BATCH: usize = 100;
/// A batch of 100 records of 40 KB at most, what it becomes, and what is kept of it.
const MEMORY_BYTES: usize = 64 << 20;

#[test]
fn every_record_is_accepted_quarantined_or_a_duplicate() {
    let seeds = [seeds::people(), seeds::events(), seeds::envelopes(), seeds::aggregates()].concat();
    for numbers in stretches(iterations() / SHARE) {
        match catch_unwind(|| is_stalled(|| slowest_batch(&seeds, numbers.clone()))) {
            Ok(is_stalled) => assert!(!is_stalled, "a batch stalls: {}", of_this_run()),
            Err(_) => panic!("records {numbers:?} break it: {}", of_this_run()),
        }
    }
}

fn slowest_batch(seeds: &[Vec<u8>], numbers: Range<u64>) -> Duration {
    let data = numbers.zip(0..).flat_map(|(number, n)| [damaged(number, seeds), seeds::sound_event(n).into()]);
    let records: Vec<Record> = data.zip(0u64..).map(|(data, at)| record(at, data)).collect();
    let (platform, mut counts, mut slowest) = (platform(), Counts::default(), Duration::ZERO);
    for some in records.chunks(BATCH) {
        let mut report = BatchReport::default();
        let began = Instant::now();
        let held = most_held(|| report = take_in(&platform, some));
        slowest = slowest.max(began.elapsed());
        assert!(held <= MEMORY_BYTES, "{held} bytes of memory");
        assert!(report.counts.add_up(), "{:?}", report.counts);
        counts += report.counts;
    }
    assert_eq!(counts.records, records.len() as u64);
    assert_eq!(counts.received, records.iter().map(|record| parts(record).len() as u64).sum::<u64>());
    assert_eq!(take_in(&platform, &records), BatchReport::default(), "what is done is passed over");
    let checkpoint = block_on(Checkpoint::load(&platform.state, &shard())).expect("memory does not fail");
    assert_eq!(checkpoint.expect("it was taken in").counts, counts);
    check_tables(&platform, &records, counts);
    slowest
}

/// Damage seldom leaves an aggregate's digest right, and then it is not taken apart: half of them get a right one.
fn damaged(number: u64, seeds: &[Vec<u8>]) -> Bytes {
    let data = Mutator::new(number, &JSON).mutate(seeds);
    match data.strip_prefix(&KPL_MAGIC) {
        Some(rest) if number.is_multiple_of(2) => {
            with_digest(rest.get(..rest.len().saturating_sub(16)).unwrap_or(rest))
        }
        Some(_) | None => data.into(),
    }
}

fn check_tables(platform: &Platform, records: &[Record], counts: Counts) {
    commit(platform);
    let mut places = BTreeSet::new();
    for (table, rows) in [(TableName::Events, counts.accepted), (TableName::Quarantine, counts.quarantined)] {
        let landed: Vec<(usize, usize, Option<Vec<u8>>)> = platform.lake.rows(table).iter().flat_map(rows_of).collect();
        assert_eq!(landed.len() as u64, rows, "{table}");
        for (at, sub, bytes) in landed {
            assert!(bytes.is_none() || is_damaged(at), "sound record {at} is in quarantine");
            assert!(places.insert((at, sub)), "record {at}.{sub} landed twice");
            let part = parts(&records[at]).swap_remove(sub);
            assert!(bytes.is_none_or(|bytes| bytes == without_envelope(&part)), "{at}.{sub} is not as it came");
        }
    }
}

fn is_damaged(at: usize) -> bool {
    at.is_multiple_of(2)
}

/// A row's record, its part, and in quarantine its bytes.
fn rows_of(rows: &RecordBatch) -> Vec<(usize, usize, Option<Vec<u8>>)> {
    let column = |name: &str| rows.column_by_name(name).expect("a column of the layout");
    let (sequences, subs) = (column("sequence").as_string::<i32>(), column("sub").as_primitive::<Int32Type>());
    let bytes = rows.column_by_name("bytes").map(AsArray::as_binary::<i32>);
    let row = |at: usize| {
        let sequence = sequences.value(at).parse().expect("a number");
        (sequence, subs.value(at) as usize, bytes.map(|bytes| bytes.value(at).to_vec()))
    };
    (0..rows.num_rows()).map(row).collect()
}

fn parts(record: &Record) -> Vec<Bytes> {
    deaggregate(&record.data).filter(|parts| !parts.is_empty()).unwrap_or_else(|| vec![record.data.clone()])
}

fn without_envelope(part: &[u8]) -> &[u8] {
    match Envelope::unwrap(part) {
        Some(Ok((_, event))) => event,
        Some(Err(_)) | None => part,
    }
}
