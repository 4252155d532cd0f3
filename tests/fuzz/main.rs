//! Damaged input, from a seed. Each decoder gets the examples of `events/`, and what sound values encode to, with bytes
//! changed, cut, doubled and mixed. None may panic, stall or swell, and what each lets through keeps its promises.
//!
//! Each run tries the inputs that all runs try, and a quarter as many that only it has, from a base that chance draws.
//! What breaks is told with its number: `CDP_FUZZ_SEED=42` tries that input alone, `CDP_FUZZ_BASE=42` a whole run from
//! that base. `CDP_FUZZ_ITERATIONS=1000000` sets how often each decoder is tried, and what takes longer in proportion.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod decoders;
mod stored;

mod files;
mod payloads;

mod http;
mod profiles;
mod sigv4;
mod webhooks;

mod ingest;

mod memory;
mod mutate;
mod numbers;
mod platform;
mod seeds;
mod stall;

use std::panic::{AssertUnwindSafe, catch_unwind};

use mutate::Mutator;
use numbers::{iterations, of_this_run, stretches};
use stall::{is_stalled, time, watched};

/// Holds `keeps_its_promises` against damaged forms of `seeds`. One number makes one input.
fn fuzz(seeds: &[Vec<u8>], dictionary: &[&[u8]], keeps_its_promises: impl Fn(&[u8])) {
    fuzz_one_in(1, seeds, dictionary, keeps_its_promises);
}

/// For what takes longer to try: one try where the others have `share`. What is tried can be tried again.
fn fuzz_one_in(share: u64, seeds: &[Vec<u8>], dictionary: &[&[u8]], keeps_its_promises: impl Fn(&[u8])) {
    assert!(!seeds.is_empty());
    watched(|watch| {
        for number in stretches(iterations() / share).into_iter().flatten() {
            watch.tries(number);
            let input = Mutator::new(number, dictionary).mutate(seeds);
            let fault = match catch_unwind(AssertUnwindSafe(|| is_stalled(|| time(|| keeps_its_promises(&input))))) {
                Ok(false) => continue,
                Ok(true) => "stalls on",
                Err(_) => "breaks on",
            };
            panic!("{fault} CDP_FUZZ_SEED={number} ({}): {}", of_this_run(), input.escape_ascii());
        }
    });
}

fn seeds_of<T>(all: impl IntoIterator<Item = T>, made: impl Fn(T) -> Vec<u8>) -> Vec<Vec<u8>> {
    all.into_iter().map(made).collect()
}
