//! Schedules: who works at the same time, and what may happen to them.

use std::cell::Cell;

use cdp_app::{CommitError, Committer, Ingest, IngestError, PartitionIngest};
use cdp_event::{Namespace, PartitionId, Parts, Record, decode};
use cdp_identity::{Limit, NamespaceRule, Rules};
use cdp_ports::{FaultKind, TableName};

use crate::events::{A_FILE, Day, day};
use crate::executor::{Dice, Role, run, step};
use crate::outcome::Outcome;
use crate::ports::{Faults, Session, World};

/// Bugs that the simulation must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    SkipWatermark,
    CommitWithoutTxn,
    CheckpointBeforeLanding,
    MoveClaim,
    RepeatClaim,
}

impl Sabotage {
    pub const ALL: [Self; 5] = [
        Self::SkipWatermark,
        Self::CommitWithoutTxn,
        Self::CheckpointBeforeLanding,
        Self::MoveClaim,
        Self::RepeatClaim,
    ];
}

/// Every other seed has several partitions and rules that bind nobody, so that people do not depend on who came first;
/// the others have one partition, all rules, and must agree to the letter.
struct Shape {
    exact: bool,
    day: Day,
    rules: Rules,
}

fn shape(seed: u64) -> Shape {
    let exact = seed.is_multiple_of(2);
    let partitions = if exact { 1 } else { 2 + (seed as usize / 2) % 2 };
    let rules = if exact { Rules::default() } else { unbounded() };
    Shape { exact, day: day(seed, partitions, exact), rules }
}

fn unbounded() -> Rules {
    let limit = Limit { values: 1000, period: None };
    let namespaces = [Namespace::USER_ID, Namespace::EMAIL, Namespace::PHONE, Namespace::ANONYMOUS_ID];
    Rules::with_namespaces(namespaces.map(|namespace| NamespaceRule { namespace, limit, unique: false }).to_vec())
        .expect("sound rules")
}

/// One pass, without faults, in one batch a partition.
pub fn run_clean(seed: u64) -> Outcome {
    let Shape { exact, day, rules } = shape(seed);
    let world = World::new(seed, Faults::NONE, None);
    let session = Session::new(&world);
    for (partition, records) in &day.partitions {
        let ingest = Ingest { state: &session, lake: &session, clock: &session, rules: rules.clone() };
        block_now(async {
            let mut worker = ingest.open(partition.clone()).await?;
            worker.take_records(records, "stream").await
        })
        .expect("no faults");
    }
    for table in TableName::ALL {
        block_now(Committer { state: &&session, lake: &&session, table }.drain()).expect("no faults");
    }
    Outcome::of(&world, exact, 0)
}

pub fn run_faulty(seed: u64, sabotage: Option<Sabotage>) -> Result<Outcome, String> {
    let Shape { exact, day, rules } = shape(seed);
    let dice = Dice::new(seed);
    let level = [0.0, 0.01, 0.05][dice.below(3)];
    let faults = Faults { refused: level, answer_lost: level, clock_jumps: 0.02 };
    let world = World::new(seed, faults, sabotage);
    let crashes = [0.002, 0.01, 0.03][dice.below(3)];

    let finished: Vec<Cell<bool>> = day.partitions.iter().map(|_| Cell::new(false)).collect();
    let mut roles: Vec<Role<'_>> = Vec::new();
    for (at, (partition, records)) in day.partitions.iter().enumerate() {
        // A zombie: a second worker of the same partition that does not know of the first, until it is fenced off.
        let zombies = usize::from(dice.chance(0.3));
        for is_zombie in std::iter::once(false).chain(std::iter::repeat_n(true, zombies)) {
            let worker =
                Worker { world: &world, rules: &rules, partition, records, finished: &finished[at], is_zombie };
            let dice = dice.clone();
            roles.push(Role { start: Box::new(move || Box::pin(worker.work(dice.clone()))) });
        }
    }
    for table in TableName::ALL {
        let committers = if dice.chance(0.3) { 2 } else { 1 };
        for _ in 0..committers {
            let (world, finished) = (&world, &finished);
            roles.push(Role { start: Box::new(move || Box::pin(commit(world, table, finished))) });
        }
    }
    let steps = run(&roles, &dice, crashes, 400_000).ok_or("the schedule does not end")?;
    drop(roles);
    if let Some(error) = world.gave_up() {
        return Err(error);
    }
    Ok(Outcome::of(&world, exact, steps))
}

#[derive(Clone, Copy)]
struct Worker<'w> {
    world: &'w World,
    rules: &'w Rules,
    partition: &'w PartitionId,
    records: &'w [Record],
    finished: &'w Cell<bool>,
    is_zombie: bool,
}

impl Worker<'_> {
    /// Batches of any size, from the checkpoint on, again after any error.
    async fn work(self, dice: Dice) {
        let session = Session::new(self.world);
        let ingest = Ingest { state: &session, lake: &session, clock: &session, rules: self.rules.clone() };
        while let Err(error) = work_off(&ingest, self.partition, self.records, &dice).await {
            if self.is_zombie && matches!(error, IngestError::Fenced(_)) {
                return;
            }
            if !is_expected(&error) {
                self.world.give_up(error.to_string());
                break;
            }
            step().await;
        }
        self.finished.set(true);
    }
}

async fn work_off(
    ingest: &Ingest<&Session<'_>, &Session<'_>, &Session<'_>>,
    partition: &PartitionId,
    records: &[Record],
    dice: &Dice,
) -> Result<(), IngestError> {
    let mut worker = ingest.open(partition.clone()).await?;
    loop {
        let done = worker.checkpoint().done;
        let from = records.iter().position(|record| done.is_none_or(|done| record.sequence > done));
        let Some(from) = from else { return Ok(()) };
        let through = (from + 1 + dice.below(8)).min(records.len());
        if partition.as_str() == A_FILE {
            take_rows(&mut worker, &records[from..through], through == records.len()).await?;
            continue;
        }
        // A batch may begin before the checkpoint: such a redelivery is passed over.
        let from = from.saturating_sub(if dice.chance(0.1) { 2 } else { 0 });
        worker.take_records(&records[from..through], "stream").await?;
    }
}

/// A file is read from its checkpoint on, and its last batch closes it.
async fn take_rows(
    worker: &mut PartitionIngest<'_, &Session<'_>, &Session<'_>, &Session<'_>>,
    records: &[Record],
    is_last: bool,
) -> Result<(), IngestError> {
    let Some(last) = records.last() else { return Ok(()) };
    let parts: Vec<Parts> = records.iter().map(Parts::of).collect();
    let decoded = records.iter().zip(&parts).flat_map(|(record, parts)| decode(record, parts, "stream")).collect();
    worker.take(decoded, last.sequence, records.len() as u64, is_last).await.map(drop)
}

fn is_expected(error: &IngestError) -> bool {
    match error {
        IngestError::Port(error) => error.kind == FaultKind::Busy,
        IngestError::Fenced(_) => true,
        IngestError::Closed(_) | IngestError::Stored(_) | IngestError::Rows(_) => false,
    }
}

async fn commit(world: &World, table: TableName, finished: &[Cell<bool>]) {
    let session = Session::new(world);
    let committer = Committer { state: &&session, lake: &&session, table };
    loop {
        let all_landed = finished.iter().all(Cell::get);
        match committer.commit().await {
            Ok(None) if all_landed => return,
            Ok(_) => {}
            Err(CommitError::Port(error)) if matches!(error.kind, FaultKind::Busy | FaultKind::Stale) => {}
            Err(error) => {
                world.give_up(error.to_string());
                return;
            }
        }
        step().await;
    }
}

/// Port calls yield to nobody here, so polling again is enough.
fn block_now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}
