//! Ingest, and the State that it reads and writes.

use std::ops::AddAssign;

use crate::bill::Service::{DynamoDb, Lambda, S3};
use crate::consumption::waits_s;
use crate::stack::{INGEST_MIB, seconds};
use crate::{Bill, Capacity, Consumption, GIB, HOURS_A_MONTH, Load, Plan, Prices, SECONDS_A_MONTH};

/// Of what is paid, so much is used: autoscaling's target.
const UTILISATION: f64 = 0.7;

/// DynamoDB's units of a month.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Units {
    pub write: f64,
    pub read: f64,
}

impl AddAssign for Units {
    fn add_assign(&mut self, other: Self) {
        self.write += other.write;
        self.read += other.read;
    }
}

pub(crate) fn add(bill: &mut Bill, load: &Load, plan: &Plan, measured: &Consumption, prices: &Prices) -> Units {
    let (events, batches) = (load.events_a_month(), plan.batches_per_second(load) * SECONDS_A_MONTH);
    bill.add(Lambda, "ingest: calls", batches, &prices.calls);
    bill.add(Lambda, "ingest: time", batches * batch_s(plan, measured) * INGEST_MIB / 1024.0, &prices.gib_seconds);
    let of_batch = |field| measured.of_window(plan.wait_s, field);
    bill.add(S3, "ingest: writes", batches * of_batch(|window| window.batch_dear_requests), &prices.dear_requests);
    bill.add(S3, "ingest: reads", batches * of_batch(|window| window.batch_cheap_requests), &prices.cheap_requests);
    Units {
        write: events * of_batch(|window| window.write_units_per_event)
            + batches * of_batch(|window| window.batch_write_units),
        read: events * of_batch(|window| window.read_units_per_event)
            + batches * of_batch(|window| window.batch_read_units),
    }
}

/// What all functions used of it; and what the month's events leave there, for the next month.
pub(crate) fn add_state(bill: &mut Bill, load: &Load, used: Units, measured: &Consumption, prices: &Prices) {
    match load.state {
        Capacity::OnDemand => {
            bill.add(DynamoDb, "writes", used.write, &prices.write_units);
            bill.add(DynamoDb, "reads", used.read, &prices.read_units);
        }
        Capacity::Provisioned => {
            bill.add(DynamoDb, "writes", hours(used.write), &prices.write_unit_hours);
            bill.add(DynamoDb, "reads", hours(used.read), &prices.read_unit_hours);
        }
        Capacity::Reserved => {
            bill.add(DynamoDb, "writes", hours(used.write), &prices.write_unit_hours_reserved);
            bill.add(DynamoDb, "reads", hours(used.read), &prices.read_unit_hours_reserved);
        }
    }
    let kept = load.events_a_month() * measured.of_window(load.wait_s, |window| window.stored_bytes_per_event) / GIB;
    bill.add(DynamoDb, "growth of a month", kept, &prices.state_gib_months);
    bill.add(DynamoDb, "its backup", kept, &prices.state_gib_months_recoverable);
}

/// Units that are paid by the hour, for a month's use.
fn hours(units: f64) -> f64 {
    units / SECONDS_A_MONTH / UTILISATION * HOURS_A_MONTH
}

/// A batch was measured as a whole; a batch of one event says what of that does not grow with its events.
fn batch_s(plan: &Plan, measured: &Consumption) -> f64 {
    let of_batch = |field| measured.of_window(plan.wait_s, field);
    let size = of_batch(|window| window.events_per_batch);
    let grown = |whole: f64, least: f64| least + (whole - least).max(0.0) * plan.events_per_batch / size;
    let cpu_ms = grown(of_batch(|window| window.cpu_ms_per_event) * size, measured.batch.cpu_ms);
    let state = grown(of_batch(|window| window.state_waits_per_batch), measured.batch.state_waits);
    let lake_write = of_batch(|window| window.batch_dear_requests);
    let lake_read = of_batch(|window| window.batch_cheap_requests);
    seconds(cpu_ms, INGEST_MIB, waits_s(state, lake_write, lake_read))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provisioned_units_are_paid_by_the_hour_with_room_to_grow() {
        let prices = Prices::of("us-east-1").expect("there");
        let measured = Consumption::measured().expect("made");
        let load = |state| Load {
            events_per_second: 0.0,
            event_bytes: 1200.0,
            lookups_per_second: 0.0,
            events_per_call: None,
            events_per_record: None,
            wait_s: 5.0,
            kept_days: 1.0,
            state,
        };
        // 70 writes and 70 reads a second, all month: 183.96 million of each.
        let used = Units { write: 70.0 * SECONDS_A_MONTH, read: 70.0 * SECONDS_A_MONTH };
        for (state, expected) in [
            // 183.96 x (0.625 + 0.125)
            (Capacity::OnDemand, 137.97),
            // 100 units x 730 h x (0.00065 + 0.00013)
            (Capacity::Provisioned, 56.94),
            // A twelfth of 150 + 30 dollars, and 730 h x (0.0128 + 0.0025)
            (Capacity::Reserved, 26.17),
        ] {
            let mut bill = Bill::default();
            add_state(&mut bill, &load(state), used, &measured, &prices);
            assert_eq!((bill.dollars() * 100.0).round() / 100.0, expected, "{state:?}");
        }
    }
}
