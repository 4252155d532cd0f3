//! Stream as a Kinesis data stream. A partition is a shard, by its id.

mod stream;

mod append;
mod shards;

pub use shards::Shard;
pub use stream::KinesisStream;
