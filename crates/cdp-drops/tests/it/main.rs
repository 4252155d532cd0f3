//! Files of each kind, from their bytes to what is in the tables.

#![expect(clippy::expect_used, reason = "a test fails by a panic")]

mod files;

mod intake;
mod mapping;
mod rows;
