//! SQL over a lake in a folder and in a bucket: what was committed is seen, what an older version wrote is read, and nothing is written.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod bucket;
mod documents;
mod facts;
mod migration;
mod pruning;
mod sample;
mod statements;
mod warehouse;
