//! How the stream is cut: into shards, whose batches wait. More shards mean batches that wait longer before they are full, in
//! which more events are of one person, and are one write.

use crate::stack::{BATCH_BYTES, BATCH_RECORDS, BYTES_AT_ONCE, EVENTS_AT_ONCE, RECORD_ENVELOPE_BYTES};
use crate::wire::Wire;
use crate::{Bill, Capacity, Consumption, Load, Prices, front, ingest, stream, tables, watch};

const SHARD_RECORDS_PER_SECOND: f64 = 1000.0;
const SHARD_BYTES_PER_SECOND: f64 = 1024.0 * 1024.0;
/// What a stream on demand has from the beginning. Later it has twice what its peaks need.
const ON_DEMAND_SHARDS: f64 = 4.0;
/// Shards beyond so many times those that the load needs were never worth it.
const MOST_SPREAD: f64 = 128.0;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    pub on_demand: bool,
    pub shards: f64,
    pub events_per_batch: f64,
    /// How long its batches wait: as long as they may, or until they are full.
    pub wait_s: f64,
}

impl Plan {
    fn of(load: &Load, wire: &Wire, shards: f64, on_demand: bool) -> Self {
        let in_a_shard = load.events_per_second / shards;
        // Base64 makes four bytes of three.
        let by_bytes = BATCH_BYTES / (wire.record_bytes * 4.0 / 3.0 + RECORD_ENVELOPE_BYTES);
        let at_once = EVENTS_AT_ONCE.min(BYTES_AT_ONCE / load.event_bytes);
        let most_events = (BATCH_RECORDS.min(by_bytes) * wire.events_per_record).min(at_once);
        let wait_s = load.wait_s.min(most_events / in_a_shard);
        // One event starts a batch, and it waits for those that come with it.
        Self { on_demand, shards, events_per_batch: (in_a_shard * wait_s).max(1.0), wait_s }
    }

    pub(crate) fn batches_per_second(&self, load: &Load) -> f64 {
        load.events_per_second / self.events_per_batch
    }
}

/// The least that the load can cost, and how.
pub fn cheapest(load: &Load, consumption: &Consumption, prices: &Prices) -> (Plan, Bill) {
    let wire = Wire::of(load, consumption);
    let by_bytes = load.events_per_second * wire.bytes_per_event() / SHARD_BYTES_PER_SECOND;
    let by_records = load.events_per_second / wire.events_per_record / SHARD_RECORDS_PER_SECOND;
    let needed = by_records.max(by_bytes).ceil().max(1.0);
    let bill_of =
        |shards, on_demand| bill_of(load, &wire, Plan::of(load, &wire, shards, on_demand), consumption, prices);
    let mut best = bill_of(ON_DEMAND_SHARDS.max(2.0 * needed), true);
    let mut spread = 1.0;
    while spread <= MOST_SPREAD {
        let provisioned = bill_of((needed * spread).ceil(), false);
        if provisioned.1.dollars() < best.1.dollars() {
            best = provisioned;
        }
        spread *= 1.25;
    }
    best
}

/// Compressed records hold so many events.
const THRIFTY_RECORD: f64 = 100.0;
/// How long the stream keeps what it has for nothing.
const THRIFTY_DAYS: f64 = 1.0;

/// The least that it can cost, however old profiles may be, whatever is promised and whatever producers do. Answers how, too.
pub fn least(load: &Load, consumption: &Consumption, prices: &Prices) -> (Load, Plan, Bill) {
    // Calls of the HTTP API put their events into the stream as they are.
    let events_per_record = load.events_per_call.is_none().then_some(THRIFTY_RECORD);
    let thrifty = |wait_s, state| {
        let load = Load { wait_s, state, events_per_record, kept_days: THRIFTY_DAYS, ..load.clone() };
        let (plan, bill) = cheapest(&load, consumption, prices);
        (load, plan, bill)
    };
    let mut best = thrifty(load.wait_s, load.state);
    for wait_s in consumption.waits() {
        for state in Capacity::ALL {
            let other = thrifty(wait_s, state);
            if other.2.dollars() < best.2.dollars() {
                best = other;
            }
        }
    }
    best
}

fn bill_of(load: &Load, wire: &Wire, plan: Plan, consumption: &Consumption, prices: &Prices) -> (Plan, Bill) {
    let mut bill = Bill::default();
    front::add(&mut bill, load, consumption, prices);
    stream::add(&mut bill, load, wire, &plan, prices);
    let mut used = ingest::add(&mut bill, load, &plan, consumption, prices);
    used += tables::add(&mut bill, load, &plan, consumption, prices);
    used += front::lookups(&mut bill, load, consumption, prices);
    ingest::add_state(&mut bill, load, used, consumption, prices);
    watch::add(&mut bill, load, &plan, consumption, prices);
    (plan, bill)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(events_per_second: f64, wait_s: f64) -> Load {
        Load {
            events_per_second,
            event_bytes: 1200.0,
            lookups_per_second: 0.0,
            events_per_call: None,
            events_per_record: None,
            wait_s,
            kept_days: 1.0,
            state: Capacity::OnDemand,
        }
    }

    #[test]
    fn a_batch_ends_with_its_wait_or_when_it_is_full() {
        // 6 MiB hold 2796 records of 1600 + 650 bytes.
        for (events_per_second, shards, wait_s, expected) in
            [(100.0, 1.0, 5.0, (500.0, 5.0)), (1000.0, 1.0, 5.0, (2796.0, 2.796)), (0.1, 1.0, 5.0, (1.0, 5.0))]
        {
            let load = load(events_per_second, wait_s);
            let wire = Wire { events_per_record: 1.0, record_bytes: load.event_bytes };
            let plan = Plan::of(&load, &wire, shards, false);
            assert_eq!((plan.events_per_batch.floor(), (plan.wait_s * 1000.0).floor() / 1000.0), expected);
        }
    }

    #[test]
    fn a_load_is_cheaper_by_the_event_than_a_smaller_one() {
        let (consumption, prices) = (Consumption::measured().expect("made"), Prices::of("us-east-1").expect("there"));
        let by_event = |rate| cheapest(&load(rate, 5.0), &consumption, &prices).1.dollars() / rate;
        assert!(by_event(100.0) > by_event(1000.0) && by_event(1000.0) >= by_event(10_000.0));
    }

    #[test]
    fn compressed_records_fill_a_batch_with_what_memory_takes() {
        // 100 events of 200 bytes each, with 650 beside: 6 MiB hold 230 records. 317,000 events are too many at once.
        for (record_bytes, expected) in [(20_000.0, 23_031.0), (1_000.0, 30_000.0)] {
            let wire = Wire { events_per_record: 100.0, record_bytes };
            let plan = Plan::of(&load(10_000.0, 300.0), &wire, 1.0, false);
            assert_eq!(plan.events_per_batch.floor(), expected);
        }
    }

    /// 1.59, 0.37 and 0.17 dollars a million events: what AWS publishes of its clickstream solution, which keeps no profiles.
    #[test]
    fn the_least_is_below_what_aws_publishes() {
        let (consumption, prices) = (Consumption::measured().expect("made"), Prices::of("us-east-1").expect("there"));
        for (rate, published) in [(100.0, 1.59), (1000.0, 0.37), (10_000.0, 0.17)] {
            let (thrifty, _, bill) = least(&load(rate, 5.0), &consumption, &prices);
            let dollars = bill.dollars() / (rate * crate::SECONDS_A_MONTH / 1e6);
            assert!(dollars < published, "{dollars} at {rate} a second, by {thrifty:?}");
            assert!(bill.dollars() <= cheapest(&load(rate, 5.0), &consumption, &prices).1.dollars());
        }
    }

    #[test]
    fn calls_are_not_told_to_compress() {
        let (consumption, prices) = (Consumption::measured().expect("made"), Prices::of("us-east-1").expect("there"));
        let calls = Load { events_per_call: Some(20.0), ..load(100.0, 5.0) };
        assert_eq!(least(&calls, &consumption, &prices).0.events_per_record, None);
    }

    #[test]
    fn who_may_wait_longer_never_pays_more() {
        let (consumption, prices) = (Consumption::measured().expect("made"), Prices::of("us-east-1").expect("there"));
        let dollars = |wait_s| cheapest(&load(10_000.0, wait_s), &consumption, &prices).1.dollars();
        assert!(dollars(60.0) <= dollars(5.0) && dollars(5.0) <= dollars(1.0));
    }
}
