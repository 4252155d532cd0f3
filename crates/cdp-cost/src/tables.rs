//! The tables: commits, upkeep, and what lies in the lake.

use crate::bill::Service::{Lambda, S3};
use crate::consumption::waits_s;
use crate::ingest::Units;
use crate::stack::{COMMIT_MIB, COMMIT_WAIT_S, MAINTAIN_EVERY_S, MAINTAIN_MIB, seconds};
use crate::{Bill, Consumption, GIB, Load, Plan, Prices, SECONDS_A_MONTH};

pub(crate) fn add(bill: &mut Bill, load: &Load, plan: &Plan, measured: &Consumption, prices: &Prices) -> Units {
    let mut used = add_commits(bill, load, plan, measured, prices);
    used += add_upkeep(bill, load, plan, measured, prices);
    let gib = load.events_a_month() * measured.upkeep.lake_bytes_per_event / GIB;
    bill.add(S3, "growth of a month", gib, &prices.lake_gib_months);
    used
}

/// Batches that end within one wait of the commit share it.
pub(crate) fn commits_per_second(load: &Load, plan: &Plan) -> f64 {
    plan.batches_per_second(load).min(1.0 / COMMIT_WAIT_S)
}

fn add_commits(bill: &mut Bill, load: &Load, plan: &Plan, measured: &Consumption, prices: &Prices) -> Units {
    let commit = &measured.commit;
    let (batches, commits) = (plan.batches_per_second(load), commits_per_second(load, plan));
    let (commits, further) = (commits * SECONDS_A_MONTH, (batches - commits) * SECONDS_A_MONTH);
    let waits =
        waits_s(commit.per_commit_state_waits, commit.per_commit_dear_requests, commit.per_commit_cheap_requests);
    let took = seconds(commit.per_commit_cpu_ms, COMMIT_MIB, waits);
    bill.add(Lambda, "commit: calls", commits, &prices.calls);
    bill.add(Lambda, "commit: time", commits * took * COMMIT_MIB / 1024.0, &prices.gib_seconds);
    bill.add(S3, "commit: writes", commits * commit.per_commit_dear_requests, &prices.dear_requests);
    bill.add(S3, "commit: reads", commits * commit.per_commit_cheap_requests, &prices.cheap_requests);
    Units {
        write: commits * commit.per_commit_write_units + further * commit.per_further_batch_write_units,
        read: commits * commit.per_commit_read_units + further * commit.per_further_batch_read_units,
    }
}

fn add_upkeep(bill: &mut Bill, load: &Load, plan: &Plan, measured: &Consumption, prices: &Prices) -> Units {
    let upkeep = &measured.upkeep;
    let (events, batches) = (load.events_a_month(), plan.batches_per_second(load) * SECONDS_A_MONTH);
    let rounds = SECONDS_A_MONTH / MAINTAIN_EVERY_S;
    let idle = seconds(
        upkeep.idle_cpu_ms,
        MAINTAIN_MIB,
        waits_s(upkeep.idle_read_units, upkeep.idle_dear_requests, upkeep.idle_cheap_requests),
    );
    let took = rounds * idle
        + events * seconds(upkeep.cpu_ms_per_event, MAINTAIN_MIB, 0.0)
        + batches * waits_s(0.0, upkeep.per_batch_dear_requests, upkeep.per_batch_cheap_requests);
    bill.add(Lambda, "maintain: calls", rounds, &prices.calls);
    bill.add(Lambda, "maintain: time", took * MAINTAIN_MIB / 1024.0, &prices.gib_seconds);
    let dear = rounds * upkeep.idle_dear_requests + batches * upkeep.per_batch_dear_requests;
    let cheap = rounds * upkeep.idle_cheap_requests + batches * upkeep.per_batch_cheap_requests;
    bill.add(S3, "maintain: writes and lists", dear, &prices.dear_requests);
    bill.add(S3, "maintain: reads", cheap, &prices.cheap_requests);
    Units { write: rounds * upkeep.idle_write_units, read: rounds * upkeep.idle_read_units }
}
