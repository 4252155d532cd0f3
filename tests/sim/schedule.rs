//! Schedules: who works at the same time, and what may happen to them.

use std::cell::Cell;
use std::sync::LazyLock;

use cdp_app::{CommitError, Committer, Ingest, IngestError, PartitionIngest, Upkeep};
use cdp_event::{Namespace, PartitionId, Parts, Record, Timestamp, decode};
use cdp_identity::{Limit, NamespaceRule, Rules};
use cdp_ports::{FaultKind, Stream, TableName};

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
    ForgetFounded,
    TrustPeek,
    LoseBareProfile,
    SweepWhatWaits,
}

impl Sabotage {
    pub const ALL: [Self; 9] = [
        Self::SkipWatermark,
        Self::CommitWithoutTxn,
        Self::CheckpointBeforeLanding,
        Self::MoveClaim,
        Self::RepeatClaim,
        Self::ForgetFounded,
        Self::TrustPeek,
        Self::LoseBareProfile,
        Self::SweepWhatWaits,
    ];
}

/// What a schedule is about, and how much of its outcome the order of arrival leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One partition, all rules: agrees with a clean pass to the letter.
    Exact,
    /// Several partitions, and rules that bind nobody: the same people and folds, whoever came first.
    Unbound,
    /// Several partitions, all rules: who came first decides, and nothing may contradict itself.
    Bound,
    /// As before, and a store that takes profiles up to a size: what has no room depends on how the batches fall.
    Cramped,
}

/// Room for a profile and a few events, if they come one after the other.
const CRAMPED_BYTES: usize = 500;

impl Shape {
    fn of(seed: u64) -> Self {
        [Self::Exact, Self::Unbound, Self::Bound, Self::Cramped][(seed % 4) as usize]
    }

    fn day(self, seed: u64) -> Day {
        let several = 2 + (seed as usize / 4) % 2;
        day(seed, if self == Self::Exact { 1 } else { several }, self != Self::Unbound)
    }

    fn rules(self) -> Rules {
        if self == Self::Unbound { UNBOUNDED.clone() } else { DEFAULT_RULES.clone() }
    }
}

/// Made once: to compile their patterns takes a tenth of the time of a schedule.
pub static DEFAULT_RULES: LazyLock<Rules> = LazyLock::new(Rules::default);
static UNBOUNDED: LazyLock<Rules> = LazyLock::new(unbounded);

fn unbounded() -> Rules {
    let limit = Limit { values: 1000, period: None };
    let namespaces = [Namespace::USER_ID, Namespace::EMAIL, Namespace::PHONE, Namespace::ANONYMOUS_ID];
    Rules::with_namespaces(namespaces.map(|namespace| NamespaceRule { namespace, limit, unique: false }).to_vec())
        .expect("sound rules")
}

/// One pass, without faults, in one batch a partition.
pub fn run_clean(seed: u64) -> Outcome {
    let shape = Shape::of(seed);
    let world = World::new(seed, shape.day(seed), Faults::NONE, None);
    let session = Session::new(&world);
    for (partition, records) in &world.day.partitions {
        let ingest = Ingest { state: &session, lake: &session, clock: &session, rules: shape.rules() };
        block_now(async {
            let mut worker = ingest.open(partition.clone()).await?;
            worker.take_records(records, "stream").await
        })
        .expect("no faults");
    }
    for table in TableName::ALL {
        block_now(Committer { state: &&session, lake: &&session, table }.drain()).expect("no faults");
    }
    Outcome::of(&world, shape, 0)
}

pub fn run_faulty(seed: u64, sabotage: Option<Sabotage>) -> Result<Outcome, String> {
    let shape = Shape::of(seed);
    let dice = Dice::new(seed);
    let level = [0.0, 0.01, 0.05][dice.below(3)];
    let most_bytes = if shape == Shape::Cramped { CRAMPED_BYTES } else { usize::MAX };
    let faults = Faults { refused: level, answer_lost: level, clock_jumps: 0.02, behind: 0.1, most_bytes };
    let world = World::new(seed, shape.day(seed), faults, sabotage);
    let rules = shape.rules();
    let crashes = [0.002, 0.01, 0.03][dice.below(3)];

    // A zombie: a second worker of the same partition that does not know of the first, until it is fenced off.
    let posts = world.day.partitions.iter().flat_map(|(partition, _)| {
        let zombies = usize::from(dice.chance(0.3));
        std::iter::once(false)
            .chain(std::iter::repeat_n(true, zombies))
            .map(|is_zombie| Post::new(partition, is_zombie))
    });
    let posts: Vec<Post<'_>> = posts.collect();
    let mut roles: Vec<Role<'_>> = Vec::new();
    for post in &posts {
        let worker = Worker { world: &world, rules: &rules, post };
        let dice = dice.clone();
        roles.push(Role { start: Box::new(move || Box::pin(worker.work(dice.clone()))) });
    }
    let (all, posts) = (&world, &posts);
    for table in TableName::ALL {
        let committers = if dice.chance(0.3) { 2 } else { 1 };
        for _ in 0..committers {
            roles.push(Role { start: Box::new(move || Box::pin(commit(all, table, posts))) });
        }
        if dice.chance(0.3) {
            roles.push(Role { start: Box::new(move || Box::pin(keep_up(all, table, posts))) });
        }
    }
    let steps = run(&roles, &dice, crashes, 400_000).ok_or("the schedule does not end")?;
    drop(roles);
    if let Some(error) = world.gave_up() {
        return Err(error);
    }
    Ok(Outcome::of(&world, shape, steps))
}

/// Who works on what, and what others see of it.
struct Post<'d> {
    partition: &'d PartitionId,
    is_zombie: bool,
    is_finished: Cell<bool>,
    /// No file of the batch on its way is older.
    batch_began: Cell<Timestamp>,
}

impl<'d> Post<'d> {
    fn new(partition: &'d PartitionId, is_zombie: bool) -> Self {
        Self { partition, is_zombie, is_finished: Cell::default(), batch_began: Cell::default() }
    }
}

#[derive(Clone, Copy)]
struct Worker<'w> {
    world: &'w World,
    rules: &'w Rules,
    post: &'w Post<'w>,
}

impl Worker<'_> {
    /// Batches of any size, from the checkpoint on, again after any error.
    async fn work(self, dice: Dice) {
        let session = Session::new(self.world);
        let ingest = Ingest { state: &session, lake: &session, clock: &session, rules: self.rules.clone() };
        while let Err(error) = self.work_off(&ingest, &&session, &dice).await {
            if self.post.is_zombie && matches!(error, IngestError::Fenced(_)) {
                break;
            }
            if !is_expected(&error) {
                self.world.give_up(error.to_string());
                break;
            }
            step().await;
        }
        self.post.is_finished.set(true);
    }

    async fn work_off(
        &self,
        ingest: &Ingest<&Session<'_>, &Session<'_>, &Session<'_>>,
        stream: &&Session<'_>,
        dice: &Dice,
    ) -> Result<(), IngestError> {
        self.post.batch_began.set(self.world.files.written());
        let mut worker = ingest.open(self.post.partition.clone()).await?;
        loop {
            let done = worker.checkpoint().done;
            let most = 1 + dice.below(8);
            let new = stream.read(self.post.partition, done, most, usize::MAX).await?;
            let Some(last) = new.last() else { return Ok(()) };
            self.post.batch_began.set(self.world.files.written());
            if self.post.partition.as_str() == A_FILE {
                let is_last = stream.read(self.post.partition, Some(last.sequence), 1, usize::MAX).await?.is_empty();
                take_rows(&mut worker, &new, is_last).await?;
            } else if dice.chance(0.1) {
                // A batch may begin before the checkpoint: such a redelivery is passed over.
                let again = stream.read(self.post.partition, None, usize::MAX, usize::MAX).await?;
                let before = again.iter().take_while(|record| record.sequence < new[0].sequence).count();
                worker.take_records(&again[before.saturating_sub(2)..before + new.len()], "stream").await?;
            } else {
                worker.take_records(&new, "stream").await?;
            }
        }
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

async fn commit(world: &World, table: TableName, posts: &[Post<'_>]) {
    let session = Session::new(world);
    let committer = Committer { state: &&session, lake: &&session, table };
    loop {
        let all_landed = posts.iter().all(|post| post.is_finished.get());
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

/// Compacts and sweeps all the while, and spares only what a batch on its way may still name.
async fn keep_up(world: &World, table: TableName, posts: &[Post<'_>]) {
    let session = Session::new(world);
    let upkeep = Upkeep { state: &&session, lake: &&session, table };
    let oldest_batch = || posts.iter().filter(|post| !post.is_finished.get()).map(|post| post.batch_began.get()).min();
    while let Some(oldest) = oldest_batch() {
        let compacted = upkeep.compact(|| true).await.map(drop).map_err(CommitError::Port);
        let swept = if compacted.is_ok() { upkeep.sweep(oldest).await.map(drop) } else { compacted };
        match swept {
            Ok(()) => {}
            Err(CommitError::Port(error)) if error.kind == FaultKind::Busy => {}
            Err(error) => world.give_up(error.to_string()),
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
