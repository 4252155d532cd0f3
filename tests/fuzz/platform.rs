//! The platform in memory, where records are taken in for real.

use std::sync::atomic::{AtomicU64, Ordering};

use adapter_memory::{MemoryLake, MemoryState, MemoryStream};
use bytes::Bytes;
use cdp_app::{Again, BatchReport, Committer, Ingest, Progress, Replay, ReplayError, ReplayJob};
use cdp_event::{PartitionId, Record, Sequence, Timestamp};
use cdp_identity::Rules;
use cdp_ports::{Chance, Clock, Condition, Item, Key, State, TableName, Transaction, Write};
use futures::executor::block_on;

use crate::seeds::{EVENT, MOMENT};

pub type Platform = Ingest<MemoryState, MemoryLake, Counter>;

/// It is always the same moment; chance counts, so that each draw is another.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Clock for Counter {
    fn now(&self) -> Timestamp {
        MOMENT
    }
}

impl Chance for Counter {
    fn draw(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

pub fn platform() -> Platform {
    let (state, lake, clock) = (MemoryState::default(), MemoryLake::default(), Counter::default());
    Ingest { state, lake, clock, rules: Rules::default() }
}

pub fn shard() -> PartitionId {
    PartitionId::new("shard-0")
}

pub fn record(sequence: impl Into<Sequence>, data: impl Into<Bytes>) -> Record {
    Record { sequence: sequence.into(), arrived_at: MOMENT, partition_key: "k".into(), data: data.into() }
}

/// By a worker that has not seen the shard before.
pub fn take_in(platform: &Platform, records: &[Record]) -> BatchReport {
    let taken = async { platform.open(shard()).await?.take_records(records, "fuzz").await };
    block_on(taken).expect("memory does not fail")
}

pub fn commit(platform: &Platform) {
    for table in TableName::ALL {
        let committer = Committer { state: &platform.state, lake: &platform.lake, table };
        block_on(committer.drain()).expect("memory does not fail");
    }
}

/// An event and a refused row, in the tables.
pub fn with_refused_row() -> Platform {
    let platform = platform();
    take_in(&platform, &[record(0, EVENT), record(1, "{}")]);
    commit(&platform);
    platform
}

/// Into a stream of its own, as far as `goes_on` lets it come.
pub fn replay(platform: &Platform, job: &ReplayJob, goes_on: bool) -> Result<Progress, ReplayError> {
    let (state, lake, stream) = (&platform.state, &platform.lake, &MemoryStream::new(1));
    block_on(Replay { state, stream, lake, remap: &|_| Again::AsItIs }.run(job, || MOMENT, || goes_on))
}

pub fn items(state: &MemoryState, partition: &str) -> Vec<Item> {
    block_on(state.query(partition, "", None, usize::MAX)).expect("memory does not fail")
}

/// Whatever stood there before.
pub fn put(state: &MemoryState, key: Key, body: &[u8]) {
    let write = Write::Put { key, body: Bytes::copy_from_slice(body), condition: Condition::Any };
    let transaction = Transaction { writes: vec![write], durable: false };
    block_on(state.commit(transaction)).expect("memory does not fail");
}
