//! Versioned items under (partition key, sort key). DynamoDB | an embedded store | memory.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use crate::{FaultKind, PortError, PortResult};

/// The most items that one transaction may touch: DynamoDB's limit, kept by every adapter.
pub const MAX_TRANSACTION_ITEMS: usize = 100;

/// The most bytes that the bodies of one transaction may have: DynamoDB's 4 MB, with room for their keys.
pub const MAX_TRANSACTION_BYTES: usize = 3 << 20;

const MAX_KEY_PART_BYTES: usize = 1024;

/// Both parts are non-empty, at most 1 KiB, and hold no NUL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub partition: String,
    pub sort: String,
}

impl Key {
    pub fn new(partition: impl Into<String>, sort: impl Into<String>) -> Self {
        Self { partition: partition.into(), sort: sort.into() }
    }

    fn is_within_limits(&self) -> bool {
        let is_part = |part: &str| (1..=MAX_KEY_PART_BYTES).contains(&part.len()) && !part.as_bytes().contains(&0);
        is_part(&self.partition) && is_part(&self.sort)
    }
}

/// What begins such a partition's name; the kind and the value of somebody's identifier follow.
pub const IDENTIFIERS: &str = "id/";

/// As errors and logs name it. In place of an identifier's value, which may be somebody's address, stands its hash: the same
/// for the same value, so that two lines can be compared.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.partition.strip_prefix(IDENTIFIERS).and_then(|named| named.split_once('/')) {
            Some((kind, value)) => write!(f, "{IDENTIFIERS}{kind}/#{:016x}", xxh3_64(value.as_bytes()))?,
            None => f.write_str(&self.partition)?,
        }
        write!(f, "/{}", self.sort)
    }
}

/// 1 for a new item, one more at each write. An item that was deleted and made again starts at 1.
pub type Version = u64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub key: Key,
    pub version: Version,
    pub body: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is no such item yet.
    Absent,
    /// The item stands at this version.
    At(Version),
    /// Whatever is there.
    Any,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    Put {
        key: Key,
        body: Bytes,
        condition: Condition,
    },
    Delete {
        key: Key,
        condition: Condition,
    },
    /// Changes nothing; the transaction fails unless the condition holds.
    Check {
        key: Key,
        condition: Condition,
    },
}

impl Write {
    pub fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Delete { key, .. } | Self::Check { key, .. } => key,
        }
    }

    pub fn condition(&self) -> Condition {
        match self {
            Self::Put { condition, .. } | Self::Delete { condition, .. } | Self::Check { condition, .. } => *condition,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// At most [`MAX_TRANSACTION_ITEMS`], no key twice.
    pub writes: Vec<Write>,
    /// True: once answered, it survives a loss of power, and with it all transactions before it. False: it survives the
    /// end of the process, and is never kept without those that came before it. A remote store is always durable.
    pub durable: bool,
}

impl Transaction {
    /// What it does, for its errors.
    pub fn naming(&self) -> String {
        let first = self.writes.first().map(Write::key).map_or_else(String::new, Key::to_string);
        format!("commit {} items, {first} first", self.writes.len())
    }

    fn bytes(&self) -> usize {
        let bytes = |write: &Write| if let Write::Put { body, .. } = write { body.len() } else { 0 };
        self.writes.iter().map(bytes).sum()
    }

    /// `Refused` when no store may take it: too many items or bytes, a key twice, or one outside of its limits.
    pub fn check(&self) -> PortResult<()> {
        let refuse = |why: String| Err(PortError::because(FaultKind::Refused, self.naming(), why));
        if self.writes.len() > MAX_TRANSACTION_ITEMS {
            return refuse(format!("at most {MAX_TRANSACTION_ITEMS} are allowed"));
        }
        if self.bytes() > MAX_TRANSACTION_BYTES {
            return refuse(format!("{} bytes; at most {MAX_TRANSACTION_BYTES} are allowed", self.bytes()));
        }
        let mut keys = HashSet::with_capacity(self.writes.len());
        for key in self.writes.iter().map(Write::key) {
            if !key.is_within_limits() {
                return refuse(format!("{key}: each part has 1 to {MAX_KEY_PART_BYTES} bytes and no NUL"));
            }
            if !keys.insert(key) {
                return refuse(format!("{key} twice"));
            }
        }
        Ok(())
    }
}

pub trait State: Send + Sync {
    /// The items under `keys`, in that order, `None` where there is none. Reads are strongly consistent, one by one;
    /// together they are no snapshot.
    fn get(&self, keys: &[Key]) -> impl Future<Output = PortResult<Vec<Option<Item>>>> + Send;

    /// As [`State::get`], but each item may be an older version, or absent though it was put: for half the price, where reads are
    /// billed. For whoever writes what depends on it, on the condition that it stood so.
    fn peek(&self, keys: &[Key]) -> impl Future<Output = PortResult<Vec<Option<Item>>>> + Send {
        self.get(keys)
    }

    /// Items of one partition whose sort key starts with `prefix` and is greater than `after`, in the order of the sort
    /// key, at most `limit`. Strongly consistent.
    fn query(
        &self,
        partition: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = PortResult<Vec<Item>>> + Send;

    /// All writes or none. `Stale` when a condition does not hold, also on a repeat of our own write: nothing has changed
    /// then. `Busy`: it may or may not have happened. `Refused`: more than 100 items or 3 MiB, or
    /// a key twice.
    fn commit(&self, transaction: Transaction) -> impl Future<Output = PortResult<()>> + Send;

    /// Commits each for itself, in any order: one that fails keeps no other from its effect. No key stands in two of
    /// them. One answer for each, in the order given.
    fn commit_each(&self, transactions: Vec<Transaction>) -> impl Future<Output = Vec<PortResult<()>>> + Send {
        async move {
            let mut outcomes = Vec::with_capacity(transactions.len());
            for transaction in transactions {
                outcomes.push(self.commit(transaction).await);
            }
            outcomes
        }
    }
}

impl<S: State> State for Arc<S> {
    async fn get(&self, keys: &[Key]) -> PortResult<Vec<Option<Item>>> {
        self.as_ref().get(keys).await
    }

    async fn peek(&self, keys: &[Key]) -> PortResult<Vec<Option<Item>>> {
        self.as_ref().peek(keys).await
    }

    async fn query(&self, partition: &str, prefix: &str, after: Option<&str>, limit: usize) -> PortResult<Vec<Item>> {
        self.as_ref().query(partition, prefix, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> PortResult<()> {
        self.as_ref().commit(transaction).await
    }

    async fn commit_each(&self, transactions: Vec<Transaction>) -> Vec<PortResult<()>> {
        self.as_ref().commit_each(transactions).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_without_the_value_of_an_identifier() {
        for (partition, told) in [
            ("profile/prf_1", "profile/prf_1/s"),
            ("id/email/jane@example.com", "id/email/#17c034c0f3e5a5e5/s"),
            ("id/a/b/c", "id/a/#7f1e2207508ccec0/s"),
            ("id/email", "id/email/s"),
        ] {
            assert_eq!(Key::new(partition, "s").to_string(), told);
        }
    }
}
