//! Of a store that takes items up to a size: a full profile holds up nobody, and nothing of it is lost.

use adapter_memory::{MemoryLake, MemoryState};
use cdp_event::{PartitionId, Record, Sequence};
use cdp_identity::Rules;
use cdp_ports::{Clock, FaultKind, Item, Key, PortError, PortResult, State, Transaction, Write};
use futures::executor::block_on;

use crate::small_platform::Counter;
use crate::{Counts, Ingest, Lookup, ProfileName};

/// Room for a profile and some ten remembered messages.
const MOST_BYTES: usize = 1200;

#[derive(Default)]
struct CrampedState(MemoryState);

impl State for CrampedState {
    async fn get(&self, keys: &[Key]) -> PortResult<Vec<Option<Item>>> {
        self.0.get(keys).await
    }

    async fn query(&self, partition: &str, prefix: &str, after: Option<&str>, limit: usize) -> PortResult<Vec<Item>> {
        self.0.query(partition, prefix, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> PortResult<()> {
        let is_too_large = |write: &Write| matches!(write, Write::Put { body, .. } if body.len() > MOST_BYTES);
        if transaction.writes.iter().any(is_too_large) {
            return Err(PortError::new(FaultKind::Refused, transaction.naming()));
        }
        self.0.commit(transaction).await
    }
}

type Platform = Ingest<CrampedState, MemoryLake, Counter>;

fn platform() -> Platform {
    Ingest {
        state: CrampedState::default(),
        lake: MemoryLake::default(),
        clock: Counter::default(),
        rules: Rules::default(),
    }
}

/// Every tenth event is of the quiet device, all others are of the loud one.
fn records(platform: &Platform, count: u64) -> Vec<Record> {
    let record = |at: u64| {
        let device = if at.is_multiple_of(10) { "quiet" } else { "loud" };
        let event = format!(r#"{{"type":"track","messageId":"{at}","event":"Seen","anonymousId":"{device}"}}"#);
        let sequence = Sequence::from(at);
        Record { sequence, arrived_at: platform.clock.now(), partition_key: device.into(), data: event.into() }
    };
    (0..count).map(record).collect()
}

async fn take(platform: &Platform, records: &[Record], at_a_time: usize) -> (Counts, u64) {
    let mut partition = platform.open(PartitionId::new("shard")).await.expect("memory");
    let mut full = 0;
    for some in records.chunks(at_a_time) {
        let report = partition.take_records(some, "test").await.expect("a full profile is no fault");
        full += report.reasons.get("profile_full").copied().unwrap_or_default();
    }
    (partition.checkpoint().counts, full)
}

async fn events_of(platform: &Platform, device: &str) -> u64 {
    let name = format!("anonymous_id:{device}");
    let name = ProfileName::parse(&name).expect("a name");
    let found = Lookup { state: &platform.state }.find(&name).await.expect("memory");
    found.map_or(0, |found| found.person.events)
}

#[test]
fn a_full_profile_holds_up_nobody_and_nothing_is_lost() {
    block_on(async {
        for at_a_time in [1, 7, 40, 400] {
            let platform = platform();
            let (counts, full) = take(&platform, &records(&platform, 400), at_a_time).await;
            assert!(counts.add_up(), "{counts:?}");
            assert_eq!((counts.received, counts.quarantined, counts.duplicates), (400, full, 0), "{at_a_time}");
            assert!(full > 0, "{at_a_time}");
            let (quiet, loud) = (events_of(&platform, "quiet").await, events_of(&platform, "loud").await);
            assert_eq!(quiet + loud, counts.accepted, "{at_a_time}");
        }
    });
}

/// The loud device's first events are applied, and the checkpoint is lost; with more events they would not fit.
#[test]
fn what_was_applied_before_stays_accepted_when_the_rest_has_no_room() {
    block_on(async {
        let platform = platform();
        let records = records(&platform, 400);
        let lost = platform.open(PartitionId::new("shard")).await.expect("memory");
        take(&platform, &records[..9], 9).await;
        let applied = events_of(&platform, "loud").await;
        let before = lost.checkpoint().clone();
        let key = crate::keys::checkpoint_key(&PartitionId::new("shard"));
        let back = Write::Put { key, body: before.encode(), condition: cdp_ports::Condition::Any };
        platform.state.commit(Transaction { writes: vec![back], durable: true }).await.expect("memory");
        let (counts, full) = take(&platform, &records, 400).await;
        assert!(counts.add_up() && full > 0, "{counts:?}");
        let (quiet, loud) = (events_of(&platform, "quiet").await, events_of(&platform, "loud").await);
        assert_eq!((loud, quiet + loud), (applied, counts.accepted));
    });
}
