//! Logs, metrics, alarms, traces, and the secret.

use crate::bill::Service::{CloudWatch, SecretsManager, XRay};
use crate::consumption::LOG_BYTES_OF_LAMBDA;
use crate::stack::{ALARMS, DASHBOARDS, MAINTAIN_EVERY_S, METRICS, SECRETS};
use crate::{Bill, Consumption, GIB, Load, Plan, Prices, SECONDS_A_MONTH, front, tables};

/// X-Ray's own rule: the first call of each second, and a twentieth of the others.
const TRACED_PER_SECOND: f64 = 1.0;
const TRACED_SHARE: f64 = 0.05;
/// A line of the API's access log.
const ACCESS_LOG_BYTES: f64 = 450.0;

pub(crate) fn add(bill: &mut Bill, load: &Load, plan: &Plan, measured: &Consumption, prices: &Prices) {
    let collected = front::calls_per_second(load);
    let collect_bytes = measured.of_call(load.events_per_call.unwrap_or(1.0), |call| call.log_bytes_per_call);
    // Calls a second, and what each writes.
    let called = [
        (plan.batches_per_second(load), measured.of_window(plan.wait_s, |window| window.log_bytes_per_batch)),
        (tables::commits_per_second(load, plan), measured.commit.per_commit_log_bytes),
        (1.0 / MAINTAIN_EVERY_S, measured.upkeep.log_bytes_per_round),
        (collected, collect_bytes + ACCESS_LOG_BYTES),
        (load.lookups_per_second, measured.profiles.log_bytes_per_lookup + ACCESS_LOG_BYTES),
    ];
    let bytes: f64 = called.iter().map(|(calls, bytes)| calls * (bytes + LOG_BYTES_OF_LAMBDA)).sum();
    let traces: f64 = called.iter().map(|(calls, _)| traced(*calls)).sum();
    bill.add(CloudWatch, "logs", bytes * SECONDS_A_MONTH / GIB, &prices.log_gib);
    bill.add(CloudWatch, "metrics", METRICS, &prices.metrics);
    bill.add(CloudWatch, "alarms", ALARMS, &prices.alarms);
    bill.add(CloudWatch, "dashboard", DASHBOARDS, &prices.dashboards);
    bill.add(XRay, "traces", traces * SECONDS_A_MONTH, &prices.traces);
    bill.add(SecretsManager, "secrets", SECRETS, &prices.secrets);
}

fn traced(calls_per_second: f64) -> f64 {
    let first = calls_per_second.min(TRACED_PER_SECOND);
    first + (calls_per_second - first) * TRACED_SHARE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_call_of_a_second_is_traced_and_a_twentieth_of_the_others() {
        for (calls, expected) in [(0.2, 0.2), (1.0, 1.0), (21.0, 2.0)] {
            assert_eq!(traced(calls), expected);
        }
    }
}
