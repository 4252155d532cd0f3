//! Damaged input, from a seed. Each decoder gets the examples of `events/`, and what sound values encode to, with bytes
//! changed, cut, doubled and mixed. None may panic, and what each lets through keeps its promises.
//!
//! `CDP_FUZZ_ITERATIONS=1000000` sets how often each decoder is tried, and readers of files and of calls in proportion;
//! `CDP_FUZZ_SEED=42` tries one input alone.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod decoders;
mod files;
mod http;

mod memory;
mod mutate;
mod seeds;

use std::panic::{AssertUnwindSafe, catch_unwind};

use mutate::Mutator;

const DEFAULT_ITERATIONS: u64 = 100_000;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: not a number")))
}

/// Holds `keeps_its_promises` against damaged forms of `seeds`. One number makes one input.
fn fuzz(seeds: &[Vec<u8>], dictionary: &[&[u8]], keeps_its_promises: impl Fn(&[u8])) {
    fuzz_one_in(1, seeds, dictionary, keeps_its_promises);
}

/// For what takes longer to try: one try where the others have `share`.
fn fuzz_one_in(share: u64, seeds: &[Vec<u8>], dictionary: &[&[u8]], keeps_its_promises: impl Fn(&[u8])) {
    assert!(!seeds.is_empty());
    let numbers = match setting("CDP_FUZZ_SEED") {
        Some(number) => number..number + 1,
        None => 0..setting("CDP_FUZZ_ITERATIONS").unwrap_or(DEFAULT_ITERATIONS) / share,
    };
    for number in numbers {
        let input = Mutator::new(number, dictionary).mutate(seeds);
        if catch_unwind(AssertUnwindSafe(|| keeps_its_promises(&input))).is_err() {
            panic!("CDP_FUZZ_SEED={number} breaks it: {}", input.escape_ascii());
        }
    }
}

fn seeds_of<T>(all: impl IntoIterator<Item = T>, made: impl Fn(T) -> Vec<u8>) -> Vec<Vec<u8>> {
    all.into_iter().map(made).collect()
}
