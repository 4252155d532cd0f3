//! `cdp` as a user meets it: the real binary, by its arguments, its output and its exit code.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod cdp;

mod help;

mod wrong;

mod at_rest;
mod replay;
mod running;

mod bench;
