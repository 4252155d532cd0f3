//! How an item stands in the table.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use cdp_ports::{FaultKind, Item, Key, PortError, PortResult, Version};

use crate::pack::Packer;

pub const PARTITION: &str = "partition";
pub const SORT: &str = "sort";
/// Names are billed with each item.
pub const VERSION: &str = "v";
/// An item has one of both.
pub const BODY: &str = "b";
pub const PACKED: &str = "z";

pub(crate) type Attributes = HashMap<String, AttributeValue>;

pub(crate) fn key(key: &Key) -> Attributes {
    key_of(&key.partition, &key.sort)
}

pub(crate) fn key_of(partition: &str, sort: &str) -> Attributes {
    Attributes::from([(PARTITION.to_owned(), text(partition)), (SORT.to_owned(), text(sort))])
}

pub(crate) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(crate) fn number(version: Version) -> AttributeValue {
    AttributeValue::N(version.to_string())
}

pub(crate) fn blob(body: &Bytes) -> AttributeValue {
    AttributeValue::B(Blob::new(body.as_ref()))
}

/// Bytes of an item that are not its body. A version's digits are packed by two.
pub(crate) fn beside(key: &Key) -> usize {
    const VERSION_BYTES: usize = 8;
    let names = PARTITION.len() + SORT.len() + VERSION.len() + PACKED.len();
    names + key.partition.len() + key.sort.len() + VERSION_BYTES
}

/// `Broken` for what this adapter does not write.
pub(crate) fn read(mut attributes: Attributes, packer: &Packer) -> PortResult<Item> {
    let partition = attributes.remove(PARTITION).and_then(|value| into_text(value).ok());
    let sort = attributes.remove(SORT).and_then(|value| into_text(value).ok());
    let version = attributes.get(VERSION).and_then(|value| value.as_n().ok()?.parse().ok());
    let mut binary = |name: &str| match attributes.remove(name) {
        Some(AttributeValue::B(bytes)) => Some(Bytes::from(bytes.into_inner())),
        _ => None,
    };
    let body = binary(BODY).or_else(|| packer.unpack(&binary(PACKED)?).ok());
    match (partition, sort, version, body) {
        (Some(partition), Some(sort), Some(version), Some(body)) => {
            Ok(Item { key: Key { partition, sort }, version, body })
        }
        (partition, sort, ..) => {
            let item = Key::new(partition.unwrap_or_default(), sort.unwrap_or_default());
            let why = "it has no version, or no body that can be read: was it written by something else? Build a deployment anew from the lake: docs/replay.md";
            Err(PortError::because(FaultKind::Broken, format!("read the item {item}"), why))
        }
    }
}

fn into_text(value: AttributeValue) -> Result<String, AttributeValue> {
    match value {
        AttributeValue::S(text) => Ok(text),
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_that_something_else_wrote_is_told_by_its_key() {
        let mut attributes = key_of("profile/p", "profile");
        attributes.insert(VERSION.to_owned(), number(3));
        let packer = Packer::default();
        let error = read(attributes.clone(), &packer).expect_err("no body").to_string();
        assert!(error.starts_with("read the item profile/p/profile: Broken"), "{error}");
        attributes.insert(BODY.to_owned(), blob(&Bytes::from_static(b"")));
        let item = read(attributes, &packer).expect("whole");
        assert_eq!((item.version, item.body.len()), (3, 0));
    }
}
