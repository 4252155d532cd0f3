//! Interrupted at each call of a port in turn: before it takes effect, after it, and by a stream that is throttled.

use std::collections::BTreeMap;
use std::iter::once;
use std::sync::atomic::{AtomicUsize, Ordering};

use adapter_memory::{MemoryLake, MemoryState, MemoryStream};
use cdp_event::{Envelope, Offset, PartitionId, Reason, Record, Rejection, Sequence};
use cdp_lake::rows::{QuarantineRow, QuarantineRows};
use cdp_ports::{FaultKind, Item, Key, Lake, Landing, PortResult, TableName, Transaction};
use futures::executor::block_on;

use super::*;
use crate::Ingest;
use crate::small_platform;

const NOW: Timestamp = Timestamp::from_ms(1_900_000_000_000);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interruption {
    /// The call does nothing: it is refused, or the process dies before it.
    Before,
    /// It takes effect, and nobody hears of it.
    After,
    /// The stream takes every other record.
    Throttled,
    /// The stream takes nothing, for a reason that does not pass.
    Broken,
}

/// Ports that interrupt once.
struct Interrupted {
    state: MemoryState,
    stream: MemoryStream,
    /// Calls until then.
    calls_left: AtomicUsize,
    how: Interruption,
}

impl Interrupted {
    fn after(calls: usize, how: Interruption) -> Self {
        let (state, stream) = (MemoryState::default(), MemoryStream::new(1));
        Self { state, stream, calls_left: AtomicUsize::new(calls), how }
    }

    fn is_now(&self) -> bool {
        let less = self.calls_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        less == Ok(1)
    }

    fn records(&self) -> Vec<Record> {
        let partition = block_on(self.stream.partitions()).expect("memory").remove(0);
        block_on(self.stream.read(&partition, None, usize::MAX, usize::MAX)).expect("memory")
    }

    /// How often each event's bytes are in the stream.
    fn sent(&self) -> BTreeMap<String, usize> {
        let mut sent = BTreeMap::new();
        for record in self.records() {
            let (_, bytes) = Envelope::unwrap(&record.data).expect("an envelope").expect("a whole one");
            *sent.entry(String::from_utf8_lossy(bytes).into_owned()).or_default() += 1;
        }
        sent
    }
}

fn fault(kind: FaultKind) -> PortError {
    PortError::new(kind, "interrupted")
}

impl State for Interrupted {
    async fn get(&self, keys: &[Key]) -> PortResult<Vec<Option<Item>>> {
        self.state.get(keys).await
    }

    async fn query(&self, partition: &str, prefix: &str, after: Option<&str>, limit: usize) -> PortResult<Vec<Item>> {
        self.state.query(partition, prefix, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> PortResult<()> {
        match (self.is_now(), self.how) {
            (true, Interruption::Before) => Err(fault(FaultKind::Busy)),
            (true, Interruption::After) => {
                self.state.commit(transaction).await?;
                Err(fault(FaultKind::Busy))
            }
            (true, Interruption::Throttled | Interruption::Broken) | (false, _) => self.state.commit(transaction).await,
        }
    }
}

impl Stream for Interrupted {
    async fn partitions(&self) -> PortResult<Vec<PartitionId>> {
        self.stream.partitions().await
    }

    async fn append(&self, records: Vec<NewRecord>, now: Timestamp) -> PortResult<Vec<(PartitionId, Sequence)>> {
        match (self.is_now(), self.how) {
            (true, Interruption::Before) => Err(fault(FaultKind::Busy)),
            (true, Interruption::Broken) => Err(fault(FaultKind::Broken)),
            (true, Interruption::After) => {
                self.stream.append(records, now).await?;
                Err(fault(FaultKind::Busy))
            }
            (true, Interruption::Throttled) => {
                let some = records.into_iter().step_by(2).collect();
                self.stream.append(some, now).await?;
                Err(fault(FaultKind::Busy))
            }
            (false, _) => self.stream.append(records, now).await,
        }
    }

    async fn append_once(&self, records: Vec<NewRecord>, now: Timestamp) -> PortResult<Vec<usize>> {
        if self.how == Interruption::Throttled && self.calls_left.load(Ordering::Relaxed) == 1 {
            self.is_now();
            let throttled = (1..records.len()).step_by(2).collect();
            self.stream.append(records.into_iter().step_by(2).collect(), now).await?;
            return Ok(throttled);
        }
        self.append(records, now).await.map(|_| vec![])
    }

    async fn read(
        &self,
        partition: &PartitionId,
        after: Option<Sequence>,
        max_records: usize,
        max_bytes: usize,
    ) -> PortResult<Vec<Record>> {
        self.stream.read(partition, after, max_records, max_bytes).await
    }
}

/// Runs the job again and again, until it is done. Answers how often it broke off, too.
fn run_on(ports: &Interrupted, lake: &MemoryLake, job: &ReplayJob) -> (Progress, usize) {
    let replay = Replay { state: ports, stream: ports, lake, remap: &as_it_is };
    for broke_off in 0..10 {
        match block_on(replay.run(job, || NOW, || true)) {
            Ok(progress) => return (progress, broke_off),
            Err(ReplayError::Port(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("it finds no end");
}

const ROWS: usize = 250;

fn refused() -> MemoryLake {
    let lake = MemoryLake::default();
    for file in 0..5 {
        let mut rows = QuarantineRows::default();
        for at in (0..ROWS).filter(|at| at % 5 == file) {
            let (offset, received_at) = (Offset::new(Sequence::new(at as u128), 0), Timestamp::from_ms(at as i64 / 3));
            let bytes = format!("row {at}");
            let rejection = Rejection::new(Reason::NotJson, "");
            let row = QuarantineRow {
                received_at,
                source: "web",
                rejection: &rejection,
                bytes: bytes.as_bytes(),
                request: None,
            };
            rows.push(&PartitionId::new("a"), offset, &row);
        }
        commit(&lake, TableName::Quarantine, file as u64 + 1, rows.finish().expect("columns of one length"));
    }
    lake
}

fn commit(lake: &MemoryLake, table: TableName, plan: u64, rows: arrow::record_batch::RecordBatch) {
    block_on(async {
        let name = format!("file-{plan}");
        let file = lake.put(table, "2026-01-31", &name, &mut once(Ok(rows))).await.expect("memory");
        lake.commit(table, plan, &[file]).await.expect("memory");
    });
}

/// No source has a mapping.
fn as_it_is(_: &RefusedRow<'_>) -> Again {
    Again::AsItIs
}

fn quarantine_job(draw: u64) -> ReplayJob {
    ReplayJob::of_quarantine(None, Choice::default(), "test", NOW, draw)
}

#[test]
fn no_refused_row_goes_twice_whatever_interrupts_and_none_is_lost_by_a_throttle() {
    let lake = refused();
    for how in [Interruption::Before, Interruption::After, Interruption::Throttled, Interruption::Broken] {
        for calls in 1..20 {
            let ports = Interrupted::after(calls, how);
            let (progress, _) = run_on(&ports, &lake, &quarantine_job(1));
            let case = format!("{how:?} call {calls}");
            let sent = ports.sent();
            assert!(sent.values().all(|times| *times == 1), "{case}");
            assert_eq!((progress.replayed, progress.passed_over), (ROWS as u64, 0), "{case}");
            // Where nobody knows what became of a call, a chunk may be marked and not sent.
            let lost_at_most = match how {
                Interruption::Before | Interruption::After => REFUSED_AT_ONCE,
                Interruption::Throttled | Interruption::Broken => 0,
            };
            assert!(sent.len() + lost_at_most >= ROWS, "{case}: {} of {ROWS}", sent.len());
        }
    }
}

#[test]
fn a_second_job_passes_over_what_the_first_has_replayed() {
    let lake = refused();
    let ports = Interrupted::after(0, Interruption::Before);
    let (first, _) = run_on(&ports, &lake, &quarantine_job(1));
    let (second, _) = run_on(&ports, &lake, &quarantine_job(2));
    assert_eq!((first.replayed, first.passed_over), (ROWS as u64, 0));
    assert_eq!((second.replayed, second.passed_over), (0, ROWS as u64));
    assert_eq!(ports.sent().len(), ROWS);
}

#[test]
fn an_id_is_that_of_one_choice_of_rows() {
    let lake = refused();
    let ports = Interrupted::after(0, Interruption::Before);
    let replay = Replay { state: &ports, stream: &ports, lake: &lake, remap: &as_it_is };
    let job = quarantine_job(1);
    block_on(replay.run(&job, || NOW, || true)).expect("memory");
    let later = ReplayJob { until: NOW.plus_ms(1), ..job.clone() };
    let progress = block_on(replay.run(&later, || NOW, || true)).expect("the same rows");
    assert_eq!(progress.job, job, "the first end stands");
    let other = ReplayJob { source: Some("web".into()), ..job };
    let outcome = block_on(replay.run(&other, || NOW, || true));
    assert!(matches!(outcome, Err(ReplayError::OtherJob(_))), "{outcome:?}");
}

#[test]
fn a_job_goes_on_by_steps_and_is_done_once() {
    let lake = refused();
    let ports = Interrupted::after(0, Interruption::Before);
    let replay = Replay { state: &ports, stream: &ports, lake: &lake, remap: &as_it_is };
    let job = quarantine_job(1);
    let mut steps = vec![];
    for _ in 0..5 {
        let progress = block_on(replay.run(&job, || NOW, || false)).expect("memory");
        steps.push((progress.replayed, progress.done));
    }
    assert_eq!(steps, [(100, false), (200, false), (250, false), (250, true), (250, true)]);
    let progress = block_on(Progress::load(&ports, &job.id)).expect("memory").expect("begun");
    assert_eq!((progress.job, progress.at_most), (job, ROWS as u64));
}

/// A deployment with `EVENTS` events of a few people, some of which are committed in files that overlap in time.
const EVENTS: usize = 1_200;

fn events() -> small_platform::Platform {
    let platform = empty();
    let record = |at: usize| {
        let event = format!(
            r#"{{"type":"track","messageId":"m{at}","event":"Seen","anonymousId":"device-{}","properties":{{"n":{at}}}}}"#,
            at % 7
        );
        Record {
            sequence: Sequence::from(at as u64),
            arrived_at: Timestamp::from_ms(1_760_000_000_000 + at as i64 / 4),
            partition_key: "k".into(),
            data: event.into_bytes().into(),
        }
    };
    block_on(async {
        for shard in 0..2 {
            let mut partition = platform.open(PartitionId::new(format!("shard-{shard}"))).await.expect("memory");
            let records: Vec<Record> = (0..EVENTS).filter(|at| at % 2 == shard).map(record).collect();
            for some in records.chunks(100) {
                partition.take_records(some, "web").await.expect("memory");
            }
        }
    });
    small_platform::commit(&platform);
    platform
}

fn empty() -> small_platform::Platform {
    Ingest {
        state: MemoryState::default(),
        lake: MemoryLake::default(),
        clock: small_platform::Counter::default(),
        rules: cdp_identity::Rules::default(),
    }
}

/// What the table holds, by message id: all columns but those that say where a row is, and whose.
fn table(platform: &small_platform::Platform) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in platform.lake.rows(TableName::Events) {
        let apart = ["partition", "sequence", "sub", "profile_id"];
        let fields = batch.schema();
        let kept: Vec<usize> =
            (0..fields.fields().len()).filter(|at| !apart.contains(&fields.field(*at).name().as_str())).collect();
        let batch = batch.project(&kept).expect("columns that are there");
        rows.extend((0..batch.num_rows()).map(|at| format!("{:?}", batch.slice(at, 1).columns())));
    }
    rows.sort();
    rows
}

#[test]
fn events_are_in_the_new_deployment_once_whatever_interrupts() {
    let old = events();
    assert_eq!(table(&old).len(), EVENTS);
    let job = ReplayJob::of_events("old", Choice::default(), "test", NOW);
    for how in [Interruption::Before, Interruption::After, Interruption::Throttled, Interruption::Broken] {
        for calls in 1..9 {
            let ports = Interrupted::after(calls, how);
            let (progress, _) = run_on(&ports, &old.lake, &job);
            let case = format!("{how:?} call {calls}");
            assert_eq!((progress.replayed, progress.done), (EVENTS as u64, true), "{case}");

            // Also where a chunk that went twice is taken in by several batches.
            for batch in [50, 700] {
                let (new, records) = (empty(), ports.records());
                block_on(async {
                    let mut shard = new.open(PartitionId::new("new")).await.expect("memory");
                    for some in records.chunks(batch) {
                        shard.take_records(some, "stream").await.expect("memory");
                    }
                });
                small_platform::commit(&new);
                assert!(table(&new) == table(&old), "{case}, {batch} records at a time");
            }
        }
    }
}

#[test]
fn events_go_in_the_order_of_their_receipt() {
    let old = events();
    let ports = Interrupted::after(0, Interruption::Before);
    run_on(&ports, &old.lake, &ReplayJob::of_events("old", Choice::default(), "test", NOW));
    let received: Vec<Timestamp> = ports
        .records()
        .iter()
        .map(|record| Envelope::unwrap(&record.data).expect("an envelope").expect("a whole one").0.received_at)
        .collect();
    assert!(received.is_sorted());
}
