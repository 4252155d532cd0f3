//! A stream in a folder: an embedded, durable log with group commit, for one process on one machine.
//!
//! # What stands in the folder
//!
//! ```text
//! lock                                      held while a process has the log open
//! about                                     the number of shards, the time of creation
//! shardId-000000000000/                     a folder for each shard
//!     00000000000000000000.seg              a segment, named for its first sequence number
//!     00000000000000104857.seg
//! ```
//!
//! Sequence numbers count from 0 in each shard, without gaps. A segment is the 8 bytes `CDPSEG1\n`, then records; all
//! numbers are little endian:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | length of all that follows the checksum |
//! | 4 | CRC-32 of all that follows it |
//! | 4 | how many bytes before this record its write began |
//! | 8 | sequence number |
//! | 8 | time of arrival, ms since 1970 |
//! | 2 | length of the partition key |
//! | … | the partition key, UTF-8 |
//! | … | the data |
//!
//! # What is durable, and what a crash leaves
//!
//! One thread writes. It takes all that waits, writes it with one call for each shard, syncs, and then wakes all who
//! waited; meanwhile the next batch gathers. Readers see what was synced, never more. After a failed write or sync the
//! log takes nothing any more until it is opened again: what the disk then has is not known otherwise.
//!
//! A crash can leave the last write half done, in any order of its pages. Opening cuts the last segment at its first bad
//! record, unless a later good record belongs to a later write: then the bad one had been synced, somebody was told
//! that it is durable, and the log refuses to open over its damage.
//!
//! Reads are done at once on the caller's thread: one `pread` of up to a mebibyte, of which each record's data is a part.

mod append;
mod error;
mod flush;
mod folder;
mod frame;
mod hash;
mod log;
mod recovery;
mod segment;
mod shard;

pub use error::LogError;
pub use log::{EmbeddedLog, LogOptions};
