//! The front as its clients see it, in process, over a stream in memory.

#![expect(clippy::expect_used, reason = "a test fails by a panic")]

mod front;
mod memory_stream;
mod people;

mod bad_input;
mod kinesis;
mod openapi;
mod operations;
mod profiles;
mod quarantine;
mod segment_profiles;
mod tracking;
mod webhooks;
