//! State in two levels of maps: partition, then sort key.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Mutex;

use bytes::Bytes;
use cdp_ports::{Condition, FaultKind, Item, Key, PortError, PortResult, State, Transaction, Version, Write};

use crate::lock;

#[derive(Debug, Default)]
pub struct MemoryState {
    partitions: Mutex<Partitions>,
}

#[derive(Debug, Default)]
struct Partitions(HashMap<String, BTreeMap<String, (Version, Bytes)>>);

impl Partitions {
    fn get(&self, key: &Key) -> Option<&(Version, Bytes)> {
        self.0.get(&key.partition)?.get(&key.sort)
    }

    fn put(&mut self, key: Key, version: Version, body: Bytes) {
        self.0.entry(key.partition).or_default().insert(key.sort, (version, body));
    }

    fn remove(&mut self, key: &Key) {
        let Some(items) = self.0.get_mut(&key.partition) else { return };
        items.remove(&key.sort);
        if items.is_empty() {
            self.0.remove(&key.partition);
        }
    }
}

impl State for MemoryState {
    async fn get(&self, keys: &[Key]) -> PortResult<Vec<Option<Item>>> {
        let partitions = lock(&self.partitions);
        let find = |key: &Key| {
            let (version, body) = partitions.get(key)?;
            Some(Item { key: key.clone(), version: *version, body: body.clone() })
        };
        Ok(keys.iter().map(find).collect())
    }

    async fn query(&self, partition: &str, prefix: &str, after: Option<&str>, limit: usize) -> PortResult<Vec<Item>> {
        let partitions = lock(&self.partitions);
        let Some(items) = partitions.0.get(partition) else { return Ok(vec![]) };
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            Some(_) | None => Bound::Included(prefix),
        };
        let found = items.range::<str, _>((start, Bound::Unbounded)).take_while(|(sort, _)| sort.starts_with(prefix));
        let item = |(sort, (version, body)): (&String, &(Version, Bytes))| Item {
            key: Key::new(partition, sort),
            version: *version,
            body: body.clone(),
        };
        Ok(found.take(limit).map(item).collect())
    }

    async fn commit(&self, transaction: Transaction) -> PortResult<()> {
        transaction.check()?;
        let mut partitions = lock(&self.partitions);
        for write in &transaction.writes {
            let version = partitions.get(write.key()).map(|(version, _)| *version);
            if !holds(write.condition(), version) {
                return Err(PortError::new(
                    FaultKind::Stale,
                    format!("commit {:?} to {}", write.condition(), write.key()),
                ));
            }
        }
        for write in transaction.writes {
            match write {
                Write::Put { key, body, .. } => {
                    let version = partitions.get(&key).map_or(1, |(version, _)| version + 1);
                    partitions.put(key, version, body);
                }
                Write::Delete { key, .. } => partitions.remove(&key),
                Write::Check { .. } => {}
            }
        }
        Ok(())
    }
}

fn holds(condition: Condition, version: Option<Version>) -> bool {
    match condition {
        Condition::Absent => version.is_none(),
        Condition::At(expected) => version == Some(expected),
        Condition::Any => true,
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;

    #[test]
    fn keeps_the_contract_of_state() {
        block_on(cdp_ports::conformance::state::all(async || MemoryState::default()));
    }
}
