//! State in a folder, on the LSM tree `fjall`.
//!
//! One keyspace. A key is the partition, a NUL, and the sort key, so a partition's items stand together in the order of
//! their sort keys. A value is the version (u64, little endian) and the body.
//!
//! Items that were read or written lately are kept in memory, and so is the knowledge that there are none: an item is
//! mostly read just before it is written, and a look into the tree costs several times what the cache does.
//!
//! All calls do their work at once, on the caller's thread, and no future here ever waits. They take microseconds, but
//! for a durable commit, which syncs, and for commits while the tree lets its writer wait for a compaction; a `get` then
//! waits with it. Call from threads that may block: the local mode's workers own theirs.

mod cache;
mod layout;
mod store;

pub use store::{CantOpen, FjallState};
