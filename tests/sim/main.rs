//! The road under faults. One seed makes one schedule: workers of several partitions, zombies of the same partition and
//! committers, interleaved at each port call, crashed before or after it, answered late, twice or not at all. Afterwards
//! tables, profiles and counts equal those of one clean pass.
//!
//! `CDP_SIM_SEEDS=1000` sets how many schedules run; `CDP_SIM_SEED=42` replays one, alone.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod events;
mod executor;
mod outcome;
mod ports;
mod sabotage;
mod schedule;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use schedule::{Sabotage, run_clean, run_faulty};

const DEFAULT_SEEDS: u64 = 20_000;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: not a number")))
}

/// What is wrong with the outcome of a schedule, if anything.
fn fault_of(seed: u64, sabotage: Option<Sabotage>) -> Option<String> {
    let clean = run_clean(seed);
    match run_faulty(seed, sabotage) {
        Ok(faulty) => clean.difference(&faulty),
        Err(stuck) => Some(stuck),
    }
}

#[test]
fn every_schedule_ends_like_one_clean_pass() {
    if let Some(seed) = setting("CDP_SIM_SEED") {
        assert_eq!(fault_of(seed, None), None, "seed {seed}");
        return;
    }
    let seeds = setting("CDP_SIM_SEEDS").unwrap_or(DEFAULT_SEEDS);
    let next = AtomicU64::new(0);
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let failures: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| run_until(seeds, &next))).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a schedule panicked; its seed is above")).collect()
    });
    assert!(
        failures.is_empty(),
        "{} of {seeds} schedules differ:\n{}",
        failures.len(),
        failures[..failures.len().min(3)].join("\n")
    );
}

fn run_until(seeds: u64, next: &AtomicU64) -> Vec<String> {
    let mut failures = Vec::new();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds || failures.len() >= 3 {
            return failures;
        }
        if let Some(fault) = fault_of(seed, None) {
            failures.push(format!("CDP_SIM_SEED={seed}: {fault}"));
        }
    }
}

/// A simulation that finds nothing proves nothing, unless it finds what was planted.
#[test]
fn planted_bugs_are_caught() {
    for sabotage in Sabotage::ALL {
        let caught = (0..2_000).find(|seed| fault_of(*seed, Some(sabotage)).is_some());
        assert!(caught.is_some(), "{sabotage:?} went unnoticed");
    }
}

#[test]
fn a_seed_replays_to_the_same_outcome() {
    for seed in 0..20 {
        let (one, other) = (run_faulty(seed, None), run_faulty(seed, None));
        let (one, other) = (one.expect("it ends"), other.expect("it ends"));
        assert_eq!(one.difference(&other), None, "seed {seed}");
        assert_eq!(one.steps, other.steps, "seed {seed}");
    }
}
