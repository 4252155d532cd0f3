//! State in one DynamoDB table: partition key `partition`, sort key `sort`, both text.
//!
//! What is one write goes as a conditional update, which costs half of a transaction; the rest goes as TransactWriteItems.
//! Reads are strongly consistent. Refused for want of capacity, or for another's transaction: tried again a few times, for
//! then nothing has happened. An answer that got lost is told as `Busy`: it may have happened.

mod state;

mod item;
mod pack;
mod patience;
mod write;

pub use item::{BODY, PACKED, PARTITION, SORT, VERSION};
pub use pack::{Packer, Stored};
pub use state::DynamoState;
