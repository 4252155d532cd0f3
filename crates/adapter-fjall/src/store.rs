//! The store: conditional transactions over the tree, one after the other.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use cdp_ports::{
    Condition, FaultKind, Item, Key, MAX_TRANSACTION_ITEMS, PortError, PortResult, State, Transaction, Version, Write,
};
use fjall::config::CompressionPolicy;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::cache::{Cache, Known};
use crate::layout::{decode_key, decode_value, encode_key, encode_value, is_key, range};

const MEMTABLE_BYTES: u64 = 64 << 20;
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
    /// Opens the state in `dir`, or makes it. It keeps up to `cache_bytes` in memory, half of them items and half blocks
    /// of the tree; up to five memtables of 64 MiB come on top, one or two as a rule.
    pub fn open(dir: impl AsRef<Path>, cache_bytes: u64) -> Result<Self, CantOpen> {
        let dir = dir.as_ref();
        let open = || {
            let database = Database::builder(dir).cache_size(cache_bytes / 2).worker_threads(WORKERS).open()?;
            let items = database.keyspace("items", keyspace_options)?;
            Ok((database, items))
        };
        let (database, items) = open().map_err(|error| match error {
            fjall::Error::Locked => CantOpen::InUse(dir.to_owned()),
            error => CantOpen::Broken(dir.to_owned(), error),
        })?;
        Ok(Self {
            database,
            items,
            cache: Cache::new(cache_bytes / 2),
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

    /// Answers how many commits there were, this one included.
    fn write(&self, writes: &[Write]) -> PortResult<u64> {
        let action = || {
            format!(
                "commit {} items, {} first",
                writes.len(),
                writes.first().map(Write::key).map_or_else(String::new, Key::to_string)
            )
        };
        let keys = encode_keys(writes, &action)?;
        let _writing = lock(&self.writer);
        let mut batch = self.database.batch();
        let mut changes = Vec::with_capacity(writes.len());
        for (write, encoded) in writes.iter().zip(keys) {
            let known = match self.cache.get(&encoded) {
                Some(known) => known,
                None => self.look_up(write.key(), &encoded, &action)?,
            };
            let version = known.map(|(version, _)| version);
            if !holds(write.condition(), version) {
                let why = format!("{} is expected {:?} and stands at {version:?}", write.key(), write.condition());
                return Err(PortError::because(FaultKind::Stale, action(), why));
            }
            match write {
                Write::Put { body, .. } => {
                    let next = version.unwrap_or(0) + 1;
                    batch.insert(&self.items, encoded.as_slice(), encode_value(next, body));
                    // A copy: the caller's may be a part of something large.
                    changes.push((encoded, Some((next, Bytes::copy_from_slice(body)))));
                }
                Write::Delete { .. } if version.is_some() => {
                    batch.remove(&self.items, encoded.as_slice());
                    changes.push((encoded, None));
                }
                Write::Delete { .. } | Write::Check { .. } => {}
            }
        }
        let _shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        // Hands the journal to the operating system: what was committed outlives the process.
        batch.commit().map_err(broken(&action))?;
        for (encoded, known) in changes {
            self.cache.set(encoded, known);
        }
        Ok(self.written.fetch_add(1, Ordering::Release) + 1)
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
        let commits = self.write(&transaction.writes)?;
        if transaction.durable { self.sync(commits) } else { Ok(()) }
    }
}

fn keyspace_options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default()
        .max_memtable_size(MEMTABLE_BYTES)
        .data_block_compression_policy(CompressionPolicy::all(CompressionType::Lz4))
}

fn encode_keys(writes: &[Write], action: &dyn Fn() -> String) -> PortResult<Vec<Vec<u8>>> {
    let refuse = |why: String| Err(PortError::because(FaultKind::Refused, action(), why));
    if writes.len() > MAX_TRANSACTION_ITEMS {
        return refuse(format!("at most {MAX_TRANSACTION_ITEMS} are allowed"));
    }
    if let Some(write) = writes.iter().find(|write| !is_key(write.key())) {
        return refuse(format!("{:?}: each part has 1 to 1024 bytes and no NUL", write.key()));
    }
    let keys: Vec<_> = writes.iter().map(|write| encode_key(&write.key().partition, &write.key().sort)).collect();
    let mut sorted: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    sorted.sort_unstable();
    if let Some(twice) = sorted.array_windows().find_map(|[left, right]| (left == right).then_some(left)) {
        return refuse(format!("{} twice", twice.escape_ascii()));
    }
    Ok(keys)
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
