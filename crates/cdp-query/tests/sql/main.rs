//! SQL over a lake in a folder: what was committed is seen, what an older version wrote is read, and nothing is written.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod documents;
mod migration;
mod pruning;
mod sample;
mod statements;
