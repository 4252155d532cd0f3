//! The HTTP API: events of SDKs, and lookups of profiles.

use crate::bill::Service::{ApiGateway, Lambda};
use crate::consumption::waits_s;
use crate::ingest::Units;
use crate::stack::{FRONT_MIB, seconds};
use crate::{Bill, Consumption, Load, Prices, SECONDS_A_MONTH};

/// A call puts its events into the stream, and waits for that.
const STREAM_WAIT_S: f64 = 0.015;
/// What one call of the API may weigh before it is paid twice.
const CALL_BYTES: f64 = 512.0 * 1024.0;

pub(crate) fn calls_per_second(load: &Load) -> f64 {
    load.events_per_call.map_or(0.0, |events| load.events_per_second / events.max(1.0))
}

pub(crate) fn add(bill: &mut Bill, load: &Load, measured: &Consumption, prices: &Prices) {
    let Some(events) = load.events_per_call else { return };
    let calls = calls_per_second(load) * SECONDS_A_MONTH;
    let paid = calls * (events * load.event_bytes / CALL_BYTES).ceil().max(1.0);
    let cpu_ms = measured.of_call(events, |call| call.cpu_ms_per_call);
    let took = seconds(cpu_ms, FRONT_MIB, STREAM_WAIT_S);
    bill.add(ApiGateway, "events", paid, &prices.api_calls);
    bill.add(Lambda, "collect: calls", calls, &prices.calls);
    bill.add(Lambda, "collect: time", calls * took * FRONT_MIB / 1024.0, &prices.gib_seconds);
}

pub(crate) fn lookups(bill: &mut Bill, load: &Load, measured: &Consumption, prices: &Prices) -> Units {
    let lookups = load.lookups_per_second * SECONDS_A_MONTH;
    if lookups == 0.0 {
        return Units::default();
    }
    let lookup = &measured.profiles;
    let took = seconds(lookup.cpu_ms_per_lookup, FRONT_MIB, waits_s(lookup.state_waits_per_lookup, 0.0, 0.0));
    bill.add(ApiGateway, "lookups", lookups, &prices.api_calls);
    bill.add(Lambda, "profiles: calls", lookups, &prices.calls);
    bill.add(Lambda, "profiles: time", lookups * took * FRONT_MIB / 1024.0, &prices.gib_seconds);
    Units { write: 0.0, read: lookups * lookup.read_units_per_lookup }
}
