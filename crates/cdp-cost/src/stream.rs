//! The stream: by the shard or on demand, and how long it keeps what it has.

use crate::bill::Service::Kinesis;
use crate::wire::Wire;
use crate::{Bill, GIB, HOURS_A_MONTH, Load, Plan, Prices};

/// A payload unit.
const PUT_KIB: f64 = 25.0;
/// Kept for nothing.
const FREE_DAYS: f64 = 1.0;

pub(crate) fn add(bill: &mut Bill, load: &Load, wire: &Wire, plan: &Plan, prices: &Prices) {
    let (events, records) = (load.events_a_month(), load.events_a_month() / wire.events_per_record);
    let kept_events = load.events_per_second * 86_400.0 * (load.kept_days - FREE_DAYS).max(0.0);
    if plan.on_demand {
        let rounded_gib = records * wire.whole_kib() * 1024.0 / GIB;
        bill.add(Kinesis, "stream", HOURS_A_MONTH, &prices.stream_hours);
        bill.add(Kinesis, "events in", rounded_gib, &prices.stream_gib_in);
        bill.add(Kinesis, "events out", events * wire.bytes_per_event() / GIB, &prices.stream_gib_out);
        let kept_gib = kept_events * wire.bytes_per_event() / GIB;
        bill.add(Kinesis, "events kept", kept_gib, &prices.stream_gib_months_kept);
    } else {
        let shard_hours = plan.shards * HOURS_A_MONTH;
        bill.add(Kinesis, "shards", shard_hours, &prices.shard_hours);
        bill.add(Kinesis, "events in", records * (wire.whole_kib() / PUT_KIB).ceil(), &prices.put_units);
        let kept_hours = if load.kept_days > FREE_DAYS { shard_hours } else { 0.0 };
        bill.add(Kinesis, "events kept", kept_hours, &prices.shard_hours_kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Capacity;

    fn dollars(on_demand: bool, kept_days: f64) -> f64 {
        let load = Load {
            events_per_second: 100.0,
            event_bytes: 1200.0,
            lookups_per_second: 0.0,
            events_per_call: None,
            events_per_record: None,
            wait_s: 5.0,
            kept_days,
            state: Capacity::OnDemand,
        };
        let plan = Plan { on_demand, shards: 1.0, events_per_batch: 500.0, wait_s: 5.0 };
        let mut bill = Bill::default();
        let wire = Wire { events_per_record: 1.0, record_bytes: load.event_bytes };
        add(&mut bill, &load, &wire, &plan, &Prices::of("us-east-1").expect("there"));
        (bill.dollars() * 100.0).round() / 100.0
    }

    #[test]
    fn it_costs_what_a_pocket_calculator_says() {
        // 262.8 million events. A shard: 730 h x 0.015 + 262.8 x 0.014 = 10.95 + 3.68; and 730 h x 0.02 for a longer memory.
        assert_eq!(dollars(false, 1.0), 14.63);
        assert_eq!(dollars(false, 7.0), 29.23);
        // On demand: 730 h x 0.04 + 501.25 GB in x 0.08 + 293.70 GB out x 0.04 = 29.20 + 40.10 + 11.75; and 57.94 GB x 0.10.
        assert_eq!(dollars(true, 1.0), 81.05);
        assert_eq!(dollars(true, 7.0), 86.84);
    }
}
