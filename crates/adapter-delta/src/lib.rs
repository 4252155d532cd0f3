//! The lake as Delta tables in a folder. The log is delta_kernel's, over an object store; the Parquet files are ours.
//!
//! Calls wait for the disk: a caller on an async runtime that must not wait gives them a thread. Commits take a few
//! milliseconds; `put`, `compact` and `sweep` as long as their rows and files need. All may run side by side.

mod actions;
mod compact;
mod error;
mod files;
mod folder;
mod kernel;
mod lake;
mod log;
mod sweep;

pub use actions::ActiveFile;
pub use error::DeltaError;
pub use lake::{DeltaLake, TableVersion};
