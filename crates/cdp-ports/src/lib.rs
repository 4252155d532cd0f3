//! What the use cases need from outside, and nothing more. No type of an SDK crosses a port.
//!
//! Ports are async and generic, not boxed: a local adapter that answers at once costs a function call.
//! Each port has a suite in [`conformance`] that every adapter runs.

mod clock;
mod fault;
mod lake;
mod lake_reader;
mod queue;
mod state;
mod stream;
mod warehouse;

pub mod conformance;

pub use clock::{Chance, Clock};
pub use fault::{FaultKind, PortError, PortResult};
pub use lake::{Batches, Compaction, DataFile, Lake, Landing, TableName};
pub use lake_reader::{LakeFile, LakeReader, RowBatches};
pub use queue::Queue;
pub use state::{
    Condition, IDENTIFIERS, Item, Key, MAX_TRANSACTION_BYTES, MAX_TRANSACTION_ITEMS, State, Transaction, Version, Write,
};
pub use stream::{NewRecord, Stream};
pub use warehouse::{Answer, Warehouse};
