//! Which inputs a run tries.

use std::iter;
use std::ops::Range;
use std::sync::LazyLock;

const DEFAULT_ITERATIONS: u64 = 100_000;
/// Beside so many inputs of all runs, one is of this run alone.
const OWN_SHARE: u64 = 4;

/// Where this run's own inputs begin: far behind those of all runs.
static BASE: LazyLock<u64> =
    LazyLock::new(|| setting("CDP_FUZZ_BASE").unwrap_or_else(|| rand::random_range(1 << 32..1 << 62)));

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: not a number")))
}

pub fn iterations() -> u64 {
    setting("CDP_FUZZ_ITERATIONS").unwrap_or(DEFAULT_ITERATIONS)
}

/// `count` numbers that are the same in all runs, and this run's own.
pub fn stretches(count: u64) -> Vec<Range<u64>> {
    match setting("CDP_FUZZ_SEED") {
        Some(number) => iter::once(number..number.saturating_add(1)).collect(),
        None => vec![0..count, *BASE..BASE.saturating_add(count.div_ceil(OWN_SHARE))],
    }
}

/// How this run is run again.
pub fn of_this_run() -> String {
    format!("CDP_FUZZ_BASE={}", *BASE)
}
