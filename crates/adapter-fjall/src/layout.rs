//! How keys and values stand in the tree.

use std::ops::Bound;

use bytes::Bytes;
use cdp_ports::{Key, Version};

const SEPARATOR: u8 = 0;
pub(crate) const VERSION_BYTES: usize = size_of::<Version>();

pub(crate) type KeyRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// What was read is not what this module writes.
#[derive(Debug, thiserror::Error)]
#[error("the stored item {0} can't be read: its {1}; restore the state from a backup")]
pub(crate) struct BadStored(pub String, pub &'static str);

pub(crate) fn encode_key(partition: &str, sort: &str) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(partition.len() + 1 + sort.len());
    encoded.extend_from_slice(partition.as_bytes());
    encoded.push(SEPARATOR);
    encoded.extend_from_slice(sort.as_bytes());
    encoded
}

/// The keys of `partition` that start with `prefix` and are greater than `after`. `None`: there can't be any.
pub(crate) fn range(partition: &str, prefix: &str, after: Option<&str>) -> Option<KeyRange> {
    let first = encode_key(partition, prefix);
    // The last byte is UTF-8 or the separator, so never 0xFF.
    let mut end = first.clone();
    *end.last_mut()? += 1;
    let start = match after {
        Some(after) if after >= prefix => Bound::Excluded(encode_key(partition, after)),
        Some(_) | None => Bound::Included(first),
    };
    let is_empty = matches!(&start, Bound::Excluded(after) if *after >= end);
    (!is_empty).then_some((start, Bound::Excluded(end)))
}

pub(crate) fn encode_value(version: Version, body: &[u8]) -> Bytes {
    let mut encoded = Vec::with_capacity(VERSION_BYTES + body.len());
    encoded.extend_from_slice(&version.to_le_bytes());
    encoded.extend_from_slice(body);
    encoded.into()
}

/// The body is copied: a part of the tree's block would keep the whole block in memory.
pub(crate) fn decode_value(key: &Key, value: &[u8]) -> Result<(Version, Bytes), BadStored> {
    match value.split_first_chunk::<VERSION_BYTES>() {
        Some((version, body)) => Ok((Version::from_le_bytes(*version), Bytes::copy_from_slice(body))),
        None => Err(BadStored(key.to_string(), "value is cut")),
    }
}

/// The key of an item that a query of `partition` found.
pub(crate) fn decode_key(partition: &str, encoded: &[u8]) -> Result<Key, BadStored> {
    let sort = encoded.get(partition.len() + 1..).and_then(|sort| std::str::from_utf8(sort).ok());
    let sort = sort.ok_or_else(|| BadStored(encoded.escape_ascii().to_string(), "key is no UTF-8"))?;
    Ok(Key::new(partition, sort))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_keys_sort_as_partition_and_sort_key_do() {
        let mut keys: Vec<Key> = ["a", "a!", "a/b", "aa", "b", "\u{10FFFF}"]
            .into_iter()
            .flat_map(|partition| ["!", "a", "a!", "é"].map(|sort| Key::new(partition, sort)))
            .collect();
        keys.sort();
        let encoded: Vec<_> = keys.iter().map(|key| encode_key(&key.partition, &key.sort)).collect();
        assert!(encoded.is_sorted_by(|left, right| left < right));
    }

    #[test]
    fn a_value_too_short_for_its_version_is_told_not_guessed() {
        let stored = encode_value(7, b"");
        assert!(matches!(decode_value(&Key::new("p", "s"), &stored), Ok((7, body)) if body.is_empty()));
        for length in 0..VERSION_BYTES {
            assert!(decode_value(&Key::new("p", "s"), &stored[..length]).is_err(), "cut to {length}");
        }
    }
}
