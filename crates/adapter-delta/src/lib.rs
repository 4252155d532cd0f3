//! The lake as Delta tables in a folder. The log is delta_kernel's, over an object store; the Parquet files are ours.
//!
//! Calls wait for the disk: a caller on an async runtime that must not wait gives them a thread. Commits take a few
//! milliseconds; `put`, `compact` and `sweep` as long as their rows and files need. All may run side by side.

mod lake;

mod compact;
mod sweep;
mod table;

mod actions;
mod log;

mod files;
mod folder;
mod kernel;

mod error;

pub use actions::ActiveFile;
pub use error::DeltaError;
pub use lake::DeltaLake;
pub use table::TableVersion;
