//! The lake's contract, held against Delta tables in a folder and in a bucket.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod bench;
#[path = "bench/bucket.rs"]
mod bucket;

use cdp_ports::conformance::lake;
use futures::executor::block_on;

use bench::Bench;

#[test]
fn delta_in_a_folder_keeps_the_lakes_contract() {
    block_on(lake::all(async || Bench::new()));
}

#[test]
fn delta_in_a_bucket_keeps_the_lakes_contract() {
    block_on(lake::all(async || Bench::in_memory()));
}
