//! Dropped files as objects of S3: read by ranges, in bounded memory, each version for itself.
//!
//! Rows are read on a thread that waits for its bytes, so this runs on tokio's runtime of many threads.

mod drop_box;
mod object;

mod reports;

mod content;

mod blocks;
mod in_order;

mod ranges;

pub use drop_box::S3Drops;
pub use object::S3Object;
