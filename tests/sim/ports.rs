//! The ports, simulated: each call lets others go first, may fail without effect, or take effect and fail all the same.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use adapter_memory::{MemoryLake, MemoryState};
use cdp_event::{PartitionId, Record, Sequence, Timestamp};
use cdp_ports::{
    Batches, Chance, Clock, Compaction, DataFile, FaultKind, Item, Key, Lake, Landing, NewRecord, PortError,
    PortResult, State, Stream, TableName, Transaction, Write,
};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::events::Day;
use crate::executor::step;
use crate::sabotage;
use crate::schedule::Sabotage;

/// What can go wrong, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    pub refused: f64,
    pub answer_lost: f64,
    pub clock_jumps: f64,
    /// That items are read as they were before their last writes, where that is allowed.
    pub behind: f64,
    /// The store takes no larger profile.
    pub most_bytes: usize,
}

impl Faults {
    pub const NONE: Self =
        Self { refused: 0.0, answer_lost: 0.0, clock_jumps: 0.0, behind: 0.0, most_bytes: usize::MAX };
}

/// Counts the files that are written, so that one can be said to be older than another whatever the clock does.
#[derive(Default)]
pub struct Files(AtomicI64);

impl Clock for Files {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

impl Files {
    pub fn written(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::Relaxed))
    }
}

/// Stream, State and Lake that survive every crash, and the chances of a fault.
pub struct World {
    pub day: Day,
    pub state: MemoryState,
    /// What stood where something was written since.
    before: Mutex<HashMap<Key, Option<Item>>>,
    pub lake: MemoryLake,
    pub files: Arc<Files>,
    now: AtomicI64,
    names: AtomicU64,
    faults: Faults,
    dice: Mutex<SmallRng>,
    unexpected: Mutex<Option<String>>,
    pub sabotage: Option<Sabotage>,
}

impl World {
    pub fn new(seed: u64, day: Day, faults: Faults, sabotage: Option<Sabotage>) -> Self {
        let files = Arc::new(Files::default());
        Self {
            day,
            state: MemoryState::default(),
            before: Mutex::default(),
            lake: MemoryLake::with_clock(files.clone()),
            files,
            now: AtomicI64::new(1_760_000_000_000),
            names: AtomicU64::new(0),
            faults,
            dice: Mutex::new(SmallRng::seed_from_u64(seed ^ 0x5EED)),
            unexpected: Mutex::default(),
            sabotage,
        }
    }

    /// A worker met an error that no fault explains.
    pub fn give_up(&self, error: String) {
        self.unexpected.lock().expect("one thread").get_or_insert(error);
    }

    pub fn gave_up(&self) -> Option<String> {
        self.unexpected.lock().expect("one thread").clone()
    }

    fn happens(&self, probability: f64) -> bool {
        probability > 0.0 && self.dice.lock().expect("one thread").random_bool(probability)
    }

    /// A port call: others may run before it and after it, and it may fail on either side of its effect.
    async fn call<T>(&self, action: &str, effect: impl AsyncFnOnce() -> PortResult<T>) -> PortResult<T> {
        step().await;
        if self.happens(self.faults.refused) {
            return Err(PortError::new(FaultKind::Busy, format!("{action} (throttled)")));
        }
        let outcome = effect().await;
        step().await;
        if outcome.is_ok() && self.happens(self.faults.answer_lost) {
            return Err(PortError::new(FaultKind::Busy, format!("{action} (answer lost)")));
        }
        outcome
    }
}

impl World {
    async fn commit(&self, transaction: Transaction) -> PortResult<()> {
        if transaction.writes.iter().any(|write| profile_bytes(write) > self.faults.most_bytes) {
            return Err(PortError::new(FaultKind::Refused, transaction.naming()));
        }
        let keys: Vec<Key> = transaction.writes.iter().map(|write| write.key().clone()).collect();
        let before = self.state.get(&keys).await?;
        self.state.commit(transaction).await?;
        self.before.lock().expect("one thread").extend(keys.into_iter().zip(before));
        Ok(())
    }

    async fn peek(&self, keys: &[Key]) -> PortResult<Vec<Option<Item>>> {
        let mut items = self.state.get(keys).await?;
        // Keys come in any order: by one draw, each has its own chance.
        let draw = self.dice.lock().expect("one thread").random::<u64>();
        let before = self.before.lock().expect("one thread");
        for (key, item) in keys.iter().zip(&mut items) {
            let chance = xxh3_64_with_seed(format!("{}/{}", key.partition, key.sort).as_bytes(), draw) as f64;
            if let Some(earlier) = before.get(key).filter(|_| chance < self.faults.behind * u64::MAX as f64) {
                item.clone_from(earlier);
            }
        }
        Ok(items)
    }
}

/// Of what was applied to it: only that grows without end.
fn profile_bytes(write: &Write) -> usize {
    match write {
        Write::Put { key, body, .. } if key.sort == "profile" => sabotage::profile_of(key, body).member.encode().len(),
        Write::Put { .. } | Write::Delete { .. } | Write::Check { .. } => 0,
    }
}

/// A worker's connection to the world. It dies with the worker.
pub struct Session<'w> {
    pub world: &'w World,
    /// A file that was said to be put and was not: only where that bug was planted.
    pub unwritten: Mutex<Vec<sabotage::Unwritten>>,
}

impl<'w> Session<'w> {
    pub fn new(world: &'w World) -> Self {
        Self { world, unwritten: Mutex::default() }
    }
}

/// A day that has passed: everything was appended, and is read.
impl Stream for &Session<'_> {
    async fn partitions(&self) -> PortResult<Vec<PartitionId>> {
        Ok(self.world.day.partitions.iter().map(|(partition, _)| partition.clone()).collect())
    }

    async fn append(&self, _: Vec<NewRecord>, _: Timestamp) -> PortResult<Vec<(PartitionId, Sequence)>> {
        Err(PortError::new(FaultKind::Refused, "append to a day that has passed"))
    }

    async fn read(
        &self,
        partition: &PartitionId,
        after: Option<Sequence>,
        max_records: usize,
        _: usize,
    ) -> PortResult<Vec<Record>> {
        self.world
            .call("read", async || {
                let of_it = self.world.day.partitions.iter().filter(|(name, _)| name == partition);
                let records = of_it.flat_map(|(_, records)| records);
                let later = records.filter(|record| after.is_none_or(|after| record.sequence > after));
                Ok(later.take(max_records).cloned().collect())
            })
            .await
    }
}

impl Session<'_> {
    fn shown(&self, items: Vec<Option<Item>>) -> Vec<Option<Item>> {
        match self.world.sabotage {
            Some(Sabotage::SkipWatermark) => {
                items.into_iter().map(|item| item.map(sabotage::without_watermark)).collect()
            }
            Some(_) | None => items,
        }
    }
}

impl State for &Session<'_> {
    async fn get(&self, keys: &[Key]) -> PortResult<Vec<Option<Item>>> {
        self.world.call("get", async || self.world.state.get(keys).await).await.map(|items| self.shown(items))
    }

    async fn peek(&self, keys: &[Key]) -> PortResult<Vec<Option<Item>>> {
        self.world.call("peek", async || self.world.peek(keys).await).await.map(|items| self.shown(items))
    }

    async fn query(&self, partition: &str, prefix: &str, after: Option<&str>, limit: usize) -> PortResult<Vec<Item>> {
        self.world.call("query", async || self.world.state.query(partition, prefix, after, limit).await).await
    }

    async fn commit(&self, mut transaction: Transaction) -> PortResult<()> {
        match self.world.sabotage {
            Some(Sabotage::MoveClaim) => sabotage::overwrite(&mut transaction, "claim"),
            Some(Sabotage::TrustPeek) => sabotage::overwrite(&mut transaction, "profile"),
            Some(Sabotage::ForgetFounded) => sabotage::forget_founded(&mut transaction),
            Some(Sabotage::LoseBareProfile) if sabotage::is_bare_profile(&transaction) => return Ok(()),
            Some(_) | None => {}
        }
        let claims = sabotage::claims(&transaction);
        self.world.call("commit", async || self.world.commit(transaction).await).await?;
        if self.world.sabotage == Some(Sabotage::RepeatClaim)
            && claims
            && self.world.happens(self.world.faults.answer_lost)
        {
            return Err(PortError::new(FaultKind::Stale, "commit (repeated)"));
        }
        Ok(())
    }
}

impl Landing for &Session<'_> {
    async fn put(&self, table: TableName, date: &str, name: &str, rows: Batches<'_>) -> PortResult<DataFile> {
        if self.world.sabotage == Some(Sabotage::CheckpointBeforeLanding) {
            return sabotage::put_later(self, table, date, name, rows).await;
        }
        self.world.call("put", async || self.world.lake.put(table, date, name, rows).await).await
    }
}

impl Lake for &Session<'_> {
    async fn commit(&self, table: TableName, plan: u64, files: &[DataFile]) -> PortResult<()> {
        if self.world.sabotage == Some(Sabotage::CommitWithoutTxn) {
            let next = self.world.lake.last_plan(table).await?.unwrap_or(0) + 1;
            return self.world.call("commit", async || self.world.lake.commit(table, next, files).await).await;
        }
        self.world.call("commit", async || self.world.lake.commit(table, plan, files).await).await
    }

    async fn last_plan(&self, table: TableName) -> PortResult<Option<u64>> {
        if self.world.sabotage == Some(Sabotage::CommitWithoutTxn) {
            return Ok(None);
        }
        self.world.call("last_plan", async || self.world.lake.last_plan(table).await).await
    }

    async fn compact(&self, table: TableName, target_bytes: u64) -> PortResult<Option<Compaction>> {
        self.world.call("compact", async || self.world.lake.compact(table, target_bytes).await).await
    }

    async fn sweep(&self, table: TableName, named: &[String], before: Timestamp) -> PortResult<u64> {
        let named = if self.world.sabotage == Some(Sabotage::SweepWhatWaits) { &[] } else { named };
        self.world.call("sweep", async || self.world.lake.sweep(table, named, before).await).await
    }
}

const THREE_DAYS_MS: i64 = 3 * 24 * 3_600_000;

impl Clock for &Session<'_> {
    /// Now and then it jumps, ahead or back, by up to three days: longer than anything is remembered.
    fn now(&self) -> Timestamp {
        let jump = if self.world.happens(self.world.faults.clock_jumps) {
            self.world.dice.lock().expect("one thread").random_range(-THREE_DAYS_MS..THREE_DAYS_MS)
        } else {
            17
        };
        Timestamp::from_ms(self.world.now.fetch_add(jump, Ordering::Relaxed) + jump)
    }
}

impl Chance for &Session<'_> {
    fn draw(&self) -> u64 {
        self.world.names.fetch_add(1, Ordering::Relaxed)
    }
}
