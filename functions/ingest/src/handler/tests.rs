//! The handler over memory: what it answers when time is short, when a port fails, and to what is no record of a stream.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use adapter_machine::Machine;
use adapter_memory::{MemoryLake, MemoryState};
use bytes::Bytes;
use cdp_app::{Checkpoint, EVENTS_AT_ONCE, Ingest};
use cdp_event::PartitionId;
use cdp_lambda::Deadline;
use cdp_ports::{FaultKind, Item, Key, PortError, PortResult, State, Transaction};

use crate::batch::{Delivered, Delivery, Payload};

const SHARD: &str = "shardId-000000000007";
const MINUTE: Duration = Duration::from_secs(60);

/// How a batch ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Well,
    After(Duration),
    With(FaultKind),
}

/// Memory in which batches end as they are told to, one after the other; and well, after those.
struct Fated {
    state: MemoryState,
    ends: Mutex<VecDeque<End>>,
}

impl State for Fated {
    async fn get(&self, keys: &[Key]) -> PortResult<Vec<Option<Item>>> {
        self.state.get(keys).await
    }

    async fn query(&self, partition: &str, prefix: &str, after: Option<&str>, limit: usize) -> PortResult<Vec<Item>> {
        self.state.query(partition, prefix, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> PortResult<()> {
        // The one that has to be durable is the end of a batch.
        let end = transaction.durable.then(|| self.ends.lock().expect("no panic").pop_front()).flatten();
        match end {
            Some(End::With(kind)) => return Err(PortError::new(kind, transaction.naming())),
            Some(End::After(wait)) => tokio::time::sleep(wait).await,
            Some(End::Well) | None => {}
        }
        self.state.commit(transaction).await
    }
}

type Handler = super::Handler<Fated, MemoryLake, Machine>;

fn handler(ends: &[End]) -> Handler {
    let state = Fated { state: MemoryState::default(), ends: Mutex::new(ends.iter().copied().collect()) };
    let ingest = Ingest { state, lake: MemoryLake::default(), clock: Machine, rules: Default::default() };
    Handler::of(ingest, "test".to_owned())
}

fn record(id: Option<String>, sequence: usize, data: impl Into<Bytes>) -> Delivery {
    let kinesis = Payload {
        approximate_arrival_timestamp: 0.0,
        partition_key: "k".into(),
        sequence_number: sequence.to_string(),
        data: data.into(),
    };
    Delivery { id: id.unwrap_or_default(), kinesis }
}

fn seen(at: usize) -> Delivery {
    let event = format!(r#"{{"type":"track","messageId":"{at}","event":"Seen","anonymousId":"phone-{}"}}"#, at % 50);
    record(Some(format!("{SHARD}:{at}")), at, event)
}

fn event(records: impl IntoIterator<Item = Delivery>) -> Delivered {
    Delivered { records: records.into_iter().collect() }
}

/// Answers the sequence numbers that were named.
async fn handle(handler: &Handler, event: Delivered, left: Duration) -> Vec<String> {
    let answer = handler.handle(event, Deadline::at(SystemTime::now() + left)).await;
    answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier.expect("a name")).collect()
}

async fn checkpoint(handler: &Handler) -> Option<Checkpoint> {
    Checkpoint::load(&handler.ingest.state, &PartitionId::new(SHARD)).await.expect("memory")
}

/// `expected`: the record that is named. All before it are done, and nothing after it.
async fn check(ends: &[End], records: usize, left: Duration, expected: Option<usize>) {
    let handler = handler(ends);
    let named = handle(&handler, event((0..records).map(seen)), left).await;
    let expected_names: Vec<String> = expected.iter().map(ToString::to_string).collect();
    assert_eq!(named, expected_names, "{ends:?}, {records} records, {left:?} left");
    let done = expected.unwrap_or(records) as u64;
    let counts = checkpoint(&handler).await.unwrap_or_default().counts;
    assert_eq!((counts.records, counts.accepted), (done, done), "{ends:?}, {records} records, {left:?} left");
}

#[tokio::test]
async fn nothing_is_named_when_all_is_done() {
    check(&[], 0, MINUTE, None).await;
    check(&[], 1, MINUTE, None).await;
    check(&[], EVENTS_AT_ONCE + 1, MINUTE, None).await;
}

#[tokio::test]
async fn what_time_does_not_allow_is_named_and_not_begun() {
    check(&[], 10, Duration::ZERO, Some(0)).await;
    check(&[], 10, Duration::from_millis(2900), Some(0)).await;
    // The first ones leave less than they took, and the margin.
    check(&[End::After(Duration::from_secs(1))], EVENTS_AT_ONCE + 1, Duration::from_millis(4900), Some(EVENTS_AT_ONCE))
        .await;
}

#[tokio::test]
async fn a_fault_of_any_kind_names_the_first_record_that_is_not_done() {
    use FaultKind::{Broken, Busy, Missing, Refused, Stale};
    for kind in [Missing, Stale, Busy, Refused, Broken] {
        check(&[End::With(kind)], 10, MINUTE, Some(0)).await;
    }
    check(&[End::Well, End::With(Busy)], EVENTS_AT_ONCE + 1, MINUTE, Some(EVENTS_AT_ONCE)).await;
}

/// Not the records are counted, but what is in them: 30,000 events go through together, or 48 MiB.
#[tokio::test]
async fn compressed_records_go_through_in_pieces_that_memory_holds() {
    let events: String =
        (0..10_000).map(|at| format!("{{\"type\":\"track\",\"event\":\"E\",\"userId\":\"{at}\"}}\n")).collect();
    for (text, records, done) in [(events, 4, 3), ("0".repeat(3 << 20), 20, 16)] {
        let handler = handler(&[End::Well, End::With(FaultKind::Busy)]);
        let data = Bytes::from(zstd::encode_all(text.as_bytes(), 1).expect("memory"));
        let records = (0..records).map(|at| record(Some(format!("{SHARD}:{at}")), at, data.clone()));
        assert_eq!(handle(&handler, event(records), MINUTE).await, [done.to_string()]);
        let counts = checkpoint(&handler).await.expect("it was seen").counts;
        assert_eq!((counts.records, counts.add_up()), (done, true));
    }
}

#[tokio::test]
async fn what_comes_again_is_taken_in_once() {
    let handler = handler(&[End::Well, End::With(FaultKind::Broken), End::With(FaultKind::Busy)]);
    let all = EVENTS_AT_ONCE + 10;
    let named = EVENTS_AT_ONCE.to_string();
    assert_eq!(handle(&handler, event((0..all).map(seen)), MINUTE).await, std::slice::from_ref(&named));
    assert_eq!(handle(&handler, event((EVENTS_AT_ONCE..all).map(seen)), MINUTE).await, [named]);
    assert_eq!(handle(&handler, event((EVENTS_AT_ONCE..all + 5).map(seen)), MINUTE).await, [""; 0]);
    assert_eq!(handle(&handler, event((0..all + 5).map(seen)), MINUTE).await, [""; 0]);
    let counts = checkpoint(&handler).await.expect("it was seen").counts;
    assert_eq!((counts.records, counts.accepted), (all as u64 + 5, all as u64 + 5));
}

#[tokio::test]
async fn what_another_process_took_meanwhile_is_known_at_once() {
    let handler = handler(&[]);
    assert_eq!(handle(&handler, event((0..3).map(seen)), MINUTE).await, [""; 0]);
    let mut other = handler.ingest.open(PartitionId::new(SHARD)).await.expect("memory");
    let batches = crate::batch::batches(event((3..6).map(seen))).expect("records");
    other.take_records(&batches[0].records, "test").await.expect("memory");
    assert_eq!(handle(&handler, event((3..9).map(seen)), MINUTE).await, [""; 0]);
    let counts = checkpoint(&handler).await.expect("it was seen").counts;
    assert_eq!((counts.records, counts.accepted), (9, 9));
}

#[tokio::test]
async fn what_can_t_become_an_event_is_done_with_too() {
    let handler = handler(&[]);
    let poison = record(Some(format!("{SHARD}:1")), 1, "not JSON".to_owned());
    assert_eq!(handle(&handler, event([seen(0), poison, seen(2)]), MINUTE).await, [""; 0]);
    let counts = checkpoint(&handler).await.expect("it was seen").counts;
    assert_eq!((counts.records, counts.accepted, counts.quarantined), (3, 2, 1));
}

#[tokio::test]
async fn a_record_of_another_trigger_fails_the_whole_batch() {
    let at_number = |number: &str| Some(format!("{SHARD}:{number}"));
    for id in [None, Some(SHARD.to_owned()), at_number(""), at_number("twelve"), at_number("-1")] {
        let handler = handler(&[]);
        let foreign = record(id.clone(), 1, "{}".to_owned());
        assert_eq!(handle(&handler, event([seen(0), foreign]), MINUTE).await, ["0"], "{id:?}");
        assert_eq!(checkpoint(&handler).await, None, "{id:?}");
    }
    // Without a number that could be named, the empty one stands for the first.
    let handler = handler(&[]);
    let mut nameless = record(None, 0, "{}".to_owned());
    nameless.kinesis.sequence_number.clear();
    assert_eq!(handle(&handler, event([nameless]), MINUTE).await, [""]);
}

#[tokio::test]
async fn of_two_shards_each_is_named_for_itself() {
    let handler = handler(&[End::With(FaultKind::Busy)]);
    let other = record(Some("shardId-000000000008:5".to_owned()), 5, r#"{"type":"page","userId":"jane"}"#.to_owned());
    assert_eq!(handle(&handler, event([seen(0), other, seen(1)]), MINUTE).await, ["0"]);
    let done =
        Checkpoint::load(&handler.ingest.state, &PartitionId::new("shardId-000000000008")).await.expect("memory");
    assert_eq!(done.expect("it was seen").counts.accepted, 1);
}
