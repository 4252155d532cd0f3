//! For tests: the platform in memory, with a small story taken in.

use std::sync::atomic::{AtomicU64, Ordering};

use adapter_memory::{MemoryLake, MemoryState};
use cdp_event::{PartitionId, Record, Sequence, Timestamp};
use cdp_identity::Rules;
use cdp_ports::{Chance, Clock, Lake, State, TableName};
use futures::executor::block_on;

use crate::{Committer, Ingest};

#[derive(Default)]
pub struct Counter(AtomicU64);

impl Clock for Counter {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(1_800_000_000_000)
    }
}

impl Chance for Counter {
    fn draw(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

pub type Platform = Ingest<MemoryState, MemoryLake, Counter>;

const SHARDS: [(&str, &[&str]); 2] = [
    (
        "a",
        &[
            r#"{"type":"identify","messageId":"1","userId":"jane","anonymousId":"phone","traits":{"email":"j@x.org"}}"#,
            r#"{"type":"track","messageId":"2","event":"Seen","anonymousId":"laptop"}"#,
            r#"{"type":"track","messageId":"2","event":"Seen","anonymousId":"laptop"}"#,
            r#"{"type":"identify","messageId":"3","userId":"jane","anonymousId":"laptop"}"#,
            r#"{"type":"track","messageId":"4","userId":"-1","event":"Seen"}"#,
            "not JSON",
        ],
    ),
    (
        "b",
        &[
            r#"{"type":"track","messageId":"5","event":"Seen","userId":"joe","anonymousId":"laptop"}"#,
            r#"{"type":"alias","messageId":"6","userId":"jane","previousId":"jane0"}"#,
            r#"{"type":"track","messageId":"7","event":"Bought","userId":"jane0"}"#,
        ],
    ),
];

/// Jane came in by a phone, then by a laptop that she logged in on; Joe uses the laptop too. Jane was called jane0 once. Two
/// records are refused, and one message is sent twice.
pub fn platform() -> Platform {
    let (state, lake, clock) = (MemoryState::default(), MemoryLake::default(), Counter::default());
    let ingest = Ingest { state, lake, clock, rules: Rules::default() };
    block_on(async {
        for (shard, _) in SHARDS {
            take_in(&ingest, shard, 2).await;
        }
    });
    ingest
}

/// The shard's part of the story, `batch` records at a time.
pub async fn take_in<S: State>(ingest: &Ingest<S, impl Lake, Counter>, shard: &str, batch: usize) {
    let mut partition = ingest.open(PartitionId::new(shard)).await.expect("memory");
    let record = |(at, event): (usize, &&'static str)| Record {
        sequence: Sequence::from(at as u64),
        arrived_at: ingest.clock.now(),
        partition_key: "k".into(),
        data: event.as_bytes().into(),
    };
    let events = SHARDS.iter().filter(|(name, _)| *name == shard).flat_map(|(_, events)| *events);
    let records: Vec<Record> = events.enumerate().map(record).collect();
    for some in records.chunks(batch) {
        partition.take_records(some, "test").await.expect("memory");
    }
}

pub fn commit(platform: &Platform) {
    for table in TableName::ALL {
        let committer = Committer { state: &platform.state, lake: &platform.lake, table };
        block_on(committer.drain()).expect("memory");
    }
}
