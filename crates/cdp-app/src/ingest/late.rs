//! A stream that waited is taken in as it would have been at once: what a producer sent twice is one event.

use adapter_memory::{MemoryLake, MemoryState};
use cdp_event::{PartitionId, Record, Sequence, Timestamp};
use cdp_identity::Rules;
use cdp_ports::{Chance, Clock};
use futures::executor::block_on;

use crate::Ingest;
use crate::small_platform::Counter;

const HOUR_MS: i64 = 3_600_000;
const SENT_MS: i64 = 1_800_000_000_000;

struct Later {
    hours: i64,
    chance: Counter,
}

impl Clock for Later {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(SENT_MS + self.hours * HOUR_MS)
    }
}

impl Chance for Later {
    fn draw(&self) -> u64 {
        self.chance.draw()
    }
}

/// Accepted and duplicates of messages that arrived at these hours, taken in `late` hours after the first.
fn take_in(messages: &[(&str, i64)], late: i64, at_a_time: usize) -> (u64, u64) {
    let (state, lake) = (MemoryState::default(), MemoryLake::default());
    let clock = Later { hours: late, chance: Counter::default() };
    let platform = Ingest { state, lake, clock, rules: Rules::default() };
    let record = |(at, (message, hour)): (usize, &(&str, i64))| Record {
        sequence: Sequence::from(at as u64),
        arrived_at: Timestamp::from_ms(SENT_MS + hour * HOUR_MS),
        partition_key: "k".into(),
        data: format!(r#"{{"type":"track","event":"Seen","userId":"u1","messageId":"{message}"}}"#).into(),
    };
    let records: Vec<Record> = messages.iter().enumerate().map(record).collect();
    block_on(async {
        let mut partition = platform.open(PartitionId::new("shard")).await.expect("memory");
        for some in records.chunks(at_a_time) {
            partition.take_records(some, "test").await.expect("memory");
        }
        let counts = partition.checkpoint().counts;
        (counts.accepted, counts.duplicates)
    })
}

#[test]
fn a_retry_is_known_however_late_it_is_taken_in() {
    let retried = [("1", 0), ("2", 0), ("3", 0), ("1", 1), ("4", 2), ("2", 23)];
    for late in [23, 30, 24 * 7] {
        for at_a_time in [1, 2, 6] {
            assert_eq!(take_in(&retried, late, at_a_time), (4, 2), "{late} hours late, {at_a_time} at a time");
        }
    }
}

/// Otherwise a profile's memory would grow with it.
#[test]
fn a_message_is_forgotten_a_day_after_it_arrived() {
    assert_eq!(take_in(&[("1", 0), ("2", 26), ("3", 26), ("1", 27)], 27, 1), (4, 0));
}
