//! Records that the Kinesis Producer Library aggregated: magic, protobuf, MD5. Source of the format: aggregation-format.md
//! of awslabs/amazon-kinesis-producer. What looks like an aggregate and is not one is one plain record.

use bytes::Bytes;
use md5::{Digest, Md5};
use prost::Message;

pub const KPL_MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];
const DIGEST_BYTES: usize = 16;

#[derive(Clone, PartialEq, Message)]
struct AggregatedRecord {
    #[prost(string, repeated, tag = "1")]
    partition_key_table: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    explicit_hash_key_table: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    records: Vec<UserRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct UserRecord {
    #[prost(uint64, required, tag = "1")]
    partition_key_index: u64,
    #[prost(uint64, optional, tag = "2")]
    explicit_hash_key_index: Option<u64>,
    #[prost(bytes = "bytes", required, tag = "3")]
    data: Bytes,
}

/// The user records of an aggregate, in order; `None` when `data` is a plain record.
pub fn deaggregate(data: &Bytes) -> Option<Vec<Bytes>> {
    let wrapped = data.strip_prefix(&KPL_MAGIC)?;
    let body_length = wrapped.len().checked_sub(DIGEST_BYTES)?;
    let body = data.slice(KPL_MAGIC.len()..KPL_MAGIC.len() + body_length);
    if Md5::digest(&body).as_slice() != &wrapped[body_length..] {
        return None;
    }
    let aggregate = AggregatedRecord::decode(body).ok()?;
    let keys = aggregate.partition_key_table.len() as u64;
    let sound = aggregate.records.iter().all(|record| record.partition_key_index < keys);
    sound.then(|| aggregate.records.into_iter().map(|record| record.data).collect())
}

/// An aggregate of `records`, each with its partition key, as a producer would send it.
pub fn aggregate(records: &[(&str, &[u8])]) -> Bytes {
    let mut aggregate = AggregatedRecord::default();
    for (key, data) in records {
        let known = aggregate.partition_key_table.iter().position(|k| k == key);
        let index = known.unwrap_or_else(|| {
            aggregate.partition_key_table.push((*key).to_owned());
            aggregate.partition_key_table.len() - 1
        });
        aggregate.records.push(UserRecord {
            partition_key_index: index as u64,
            explicit_hash_key_index: None,
            data: Bytes::copy_from_slice(data),
        });
    }
    let body = aggregate.encode_to_vec();
    [KPL_MAGIC.as_slice(), &body, Md5::digest(&body).as_slice()].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aggregate_is_taken_apart_in_order() {
        let packed = aggregate(&[("k1", b"a"), ("k2", b""), ("k1", b"c")]);
        assert_eq!(deaggregate(&packed), Some(vec![Bytes::from("a"), Bytes::new(), Bytes::from("c")]));
    }

    #[test]
    fn whatever_is_damaged_is_one_plain_record() {
        let packed = aggregate(&[("k1", b"a"), ("k2", b"b")]);
        for at in 0..packed.len() {
            let mut damaged = packed.to_vec();
            damaged[at] ^= 1;
            assert_eq!(deaggregate(&damaged.into()), None, "byte {at}");
            assert_eq!(deaggregate(&packed.slice(..at)), None, "cut to {at}");
        }
    }

    #[test]
    fn an_index_out_of_bounds_is_one_plain_record() {
        let body = AggregatedRecord {
            partition_key_table: vec![],
            explicit_hash_key_table: vec![],
            records: vec![UserRecord { partition_key_index: 0, explicit_hash_key_index: None, data: "a".into() }],
        }
        .encode_to_vec();
        let packed = [KPL_MAGIC.as_slice(), &body, Md5::digest(&body).as_slice()].concat();
        assert_eq!(deaggregate(&packed.into()), None);
    }
}
