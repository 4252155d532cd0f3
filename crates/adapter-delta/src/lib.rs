//! The lake as Delta tables in a folder or in a bucket. The log is delta_kernel's, over an object store; the Parquet files
//! are ours.
//!
//! Calls wait for the disk, or for the bucket: a caller on an async runtime that must not wait gives them a thread. Without one
//! they are safe all the same. The I/O goes on on threads of the lake's own, so it comes to an end whatever the caller's
//! threads do; and on a runtime of several threads, be it of one worker, other tasks go on while a call waits. (Two runtimes can't
//! spare a thread: one of the current thread stands still for the while, and a `LocalSet` on one of several panics.)
//!
//! Commits take a few milliseconds in a folder and a few requests in a bucket; `put`, `compact` and `sweep` as long as their
//! rows and files need. All may run side by side.

mod lake;
mod reader;

mod land;

mod compact;
mod sweep;
mod table;

mod per_table;

mod actions;
mod log;

mod bucket;
mod folder;
mod kernel;
mod place;
mod rows_at_once;
mod shared_file;

mod error;
mod fault;

pub use actions::ActiveFile;
pub use bucket::{Bucket, S3Bucket};
pub use error::DeltaError;
pub use lake::DeltaLake;
pub use land::DeltaLanding;
pub use reader::DeltaReader;
pub use table::TableVersion;
