//! The store: conditional transactions over the tree, one after the other.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use cdp_ports::{Condition, FaultKind, Item, Key, PortError, PortResult, State, Transaction, Version, Write};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};

use crate::cache::{Cache, Known};
use crate::layout::{VERSION_BYTES, decode_key, decode_value, encode_key, encode_value, range};

/// Memtables at most: one that is written to, and four that are being written out. Writers wait beyond that.
const MEMTABLES: u64 = 5;
/// Threads that write memtables out and compact. With one, a compaction holds up the writing, and memtables pile up.
const WORKERS: usize = 2;

pub struct FjallState {
    database: Database,
    items: Keyspace,
    /// What the tree has, or has not, under some of its keys.
    cache: Cache,
    /// Held from the check of the conditions to the write, so that no other write comes between.
    writer: Mutex<()>,
    /// Held to write while a transaction shows up in the tree and in the cache, item by item; held to read by `get`. So
    /// a `get` sees a transaction whole, and can't cache what was just replaced.
    shown: RwLock<()>,
    /// Commits that the journal has.
    written: AtomicU64,
    /// Commits that the disk has. Held during an fsync, which serves all who waited for it.
    synced: Mutex<u64>,
}

#[derive(Debug, thiserror::Error)]
pub enum CantOpen {
    #[error("the state in {0} is in use by another process; stop that one, or choose another folder")]
    InUse(PathBuf),
    #[error("the state in {0} can't be opened; look at the disk, or restore the folder from a backup")]
    Broken(PathBuf, #[source] fjall::Error),
}

impl FjallState {
    /// Opens the state in `dir`, or makes it. It keeps up to `memory_bytes` in memory: a quarter are items, a quarter blocks
    /// of the tree, and the rest is for memtables, of which most are unused as a rule.
    pub fn open(dir: impl AsRef<Path>, memory_bytes: u64) -> Result<Self, CantOpen> {
        let dir = dir.as_ref();
        let (cache_bytes, memtable_bytes) = (memory_bytes / 4, memory_bytes / 2 / MEMTABLES);
        let open = || {
            let database = Database::builder(dir).cache_size(cache_bytes).worker_threads(WORKERS).open()?;
            let items =
                database.keyspace("items", || KeyspaceCreateOptions::default().max_memtable_size(memtable_bytes))?;
            Ok((database, items))
        };
        let (database, items) = open().map_err(|error| match error {
            fjall::Error::Locked => CantOpen::InUse(dir.to_owned()),
            error => CantOpen::Broken(dir.to_owned(), error),
        })?;
        Ok(Self {
            database,
            items,
            cache: Cache::new(cache_bytes),
            writer: Mutex::new(()),
            shown: RwLock::new(()),
            written: AtomicU64::new(0),
            synced: Mutex::new(0),
        })
    }

    fn find(&self, keys: &[Key]) -> PortResult<Vec<Option<Item>>> {
        let action =
            || format!("get {} items, {} first", keys.len(), keys.first().map(Key::to_string).unwrap_or_default());
        let _shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            let encoded = encode_key(&key.partition, &key.sort);
            let known = match self.cache.get(&encoded) {
                Some(known) => known,
                None => {
                    let known = self.look_up(key, &encoded, &action)?;
                    self.cache.set(encoded, known.clone());
                    known
                }
            };
            found.push(known.map(|(version, body)| Item { key: key.clone(), version, body }));
        }
        Ok(found)
    }

    /// What the tree has.
    fn look_up(&self, key: &Key, encoded: &[u8], action: &dyn Fn() -> String) -> PortResult<Known> {
        let stored = self.items.get(encoded).map_err(broken(action))?;
        stored.map(|value| decode_value(key, &value)).transpose().map_err(broken(action))
    }

    fn list(&self, partition: &str, prefix: &str, after: Option<&str>, limit: usize) -> PortResult<Vec<Item>> {
        let action = || format!("query {partition}/{prefix}*");
        let Some(range) = range(partition, prefix, after) else { return Ok(vec![]) };
        let mut found = vec![];
        for entry in self.items.range(range).take(limit) {
            let (key, value) = entry.into_inner().map_err(broken(&action))?;
            let key = decode_key(partition, &key).map_err(broken(&action))?;
            let (version, body) = decode_value(&key, &value).map_err(broken(&action))?;
            found.push(Item { key, version, body });
        }
        Ok(found)
    }

    /// Commits each transaction whose conditions hold, all of those in one write to the journal. Answers one outcome for
    /// each, and how many writes to the journal there were, this one included.
    fn write(&self, transactions: &[Transaction]) -> (Vec<PortResult<()>>, u64) {
        let keys: Vec<_> = transactions.iter().map(encode_keys).collect();
        let _writing = lock(&self.writer);
        let mut batch = self.database.batch();
        let mut changes = Vec::with_capacity(transactions.len());
        let mut outcomes = Vec::with_capacity(transactions.len());
        for (transaction, keys) in transactions.iter().zip(keys) {
            outcomes.push(keys.and_then(|keys| {
                let versions = self.versions(transaction, &keys)?;
                let changed = transaction.writes.iter().zip(keys).zip(versions);
                changes
                    .extend(changed.filter_map(|((write, key), version)| self.stage(&mut batch, write, key, version)));
                Ok(())
            }));
        }
        if let Err(error) = self.show(batch, changes) {
            let error = Arc::new(error);
            for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_ok()) {
                *outcome = Err(PortError::because(FaultKind::Broken, "commit to the journal", Arc::clone(&error)));
            }
        }
        (outcomes, self.written.fetch_add(1, Ordering::Release) + 1)
    }

    /// Puts a write whose condition holds into the batch. Answers what will be known of its item, if that changes.
    fn stage(
        &self,
        batch: &mut OwnedWriteBatch,
        write: &Write,
        key: Vec<u8>,
        version: Option<Version>,
    ) -> Option<(Vec<u8>, Known)> {
        match write {
            Write::Put { body, .. } => {
                let next = version.unwrap_or(0) + 1;
                // A copy, for the tree and the cache alike: the caller's may be a part of something large.
                let value = encode_value(next, body);
                let known = value.slice(VERSION_BYTES..);
                batch.insert(&self.items, key.as_slice(), value);
                Some((key, Some((next, known))))
            }
            Write::Delete { .. } if version.is_some() => {
                batch.remove(&self.items, key.as_slice());
                Some((key, None))
            }
            Write::Delete { .. } | Write::Check { .. } => None,
        }
    }

    /// Hands the journal to the operating system: what was committed outlives the process.
    fn show(&self, batch: OwnedWriteBatch, changes: Vec<(Vec<u8>, Known)>) -> fjall::Result<()> {
        let _shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        batch.commit()?;
        for (key, known) in changes {
            self.cache.set(key, known);
        }
        Ok(())
    }

    /// At which version each item stands, if all conditions hold.
    fn versions(&self, transaction: &Transaction, keys: &[Vec<u8>]) -> PortResult<Vec<Option<Version>>> {
        let version = |(write, key): (&Write, &Vec<u8>)| {
            let known = match self.cache.get(key) {
                Some(known) => known,
                None => self.look_up(write.key(), key, &|| transaction.naming())?,
            };
            let version = known.map(|(version, _)| version);
            if holds(write.condition(), version) {
                return Ok(version);
            }
            let why = format!("{} is expected {:?} and stands at {version:?}", write.key(), write.condition());
            Err(PortError::because(FaultKind::Stale, transaction.naming(), why))
        };
        transaction.writes.iter().zip(keys).map(version).collect()
    }

    /// Ends once the disk has the first `commits`.
    fn sync(&self, commits: u64) -> PortResult<()> {
        let mut synced = lock(&self.synced);
        if *synced < commits {
            // A writer that met the sync at the journal would keep readers waiting: here it waits before it shows anything.
            let _writing = lock(&self.writer);
            let written = self.written.load(Ordering::Acquire);
            self.database
                .persist(PersistMode::SyncData)
                .map_err(broken(&|| "sync the journal of the state".to_owned()))?;
            *synced = written;
        }
        Ok(())
    }
}

impl State for FjallState {
    async fn get(&self, keys: &[Key]) -> PortResult<Vec<Option<Item>>> {
        self.find(keys)
    }

    async fn query(&self, partition: &str, prefix: &str, after: Option<&str>, limit: usize) -> PortResult<Vec<Item>> {
        self.list(partition, prefix, after, limit)
    }

    async fn commit(&self, transaction: Transaction) -> PortResult<()> {
        let mut outcomes = self.commit_each(vec![transaction]).await;
        outcomes.pop().unwrap_or(Ok(()))
    }

    async fn commit_each(&self, transactions: Vec<Transaction>) -> Vec<PortResult<()>> {
        let (outcomes, commits) = self.write(&transactions);
        let durable = |(transaction, outcome): (&Transaction, PortResult<()>)| {
            outcome.and_then(|()| if transaction.durable { self.sync(commits) } else { Ok(()) })
        };
        transactions.iter().zip(outcomes).map(durable).collect()
    }
}

fn encode_keys(transaction: &Transaction) -> PortResult<Vec<Vec<u8>>> {
    transaction.check()?;
    let encoded = |write: &Write| encode_key(&write.key().partition, &write.key().sort);
    Ok(transaction.writes.iter().map(encoded).collect())
}

fn holds(condition: Condition, version: Option<Version>) -> bool {
    match condition {
        Condition::Absent => version.is_none(),
        Condition::At(expected) => version == Some(expected),
        Condition::Any => true,
    }
}

fn broken<E: Error + Send + Sync + 'static>(action: &dyn Fn() -> String) -> impl Fn(E) -> PortError {
    move |error| PortError::because(FaultKind::Broken, action(), error)
}

/// What these mutexes guard is whole after any panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
