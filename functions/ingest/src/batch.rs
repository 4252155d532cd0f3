//! What the trigger delivers, as records of partitions.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cdp_event::{PartitionId, Record, Timestamp};
use serde::{Deserialize, Deserializer, de};

/// An event of Kinesis. Not `aws_lambda_events`' own, which takes the digits behind a moment's point for a number of
/// milliseconds: 7.05 seconds are 7.005 to it.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Delivered {
    #[serde(rename = "Records")]
    pub records: Vec<Delivery>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Delivery {
    /// `shardId-000000000006:49590338271490256608559692538361571095921575989136588898`
    #[serde(rename = "eventID", default)]
    pub id: String,
    pub kinesis: Payload,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payload {
    /// Seconds since 1970, down to milliseconds.
    pub approximate_arrival_timestamp: f64,
    #[serde(default)]
    pub partition_key: String,
    #[serde(default)]
    pub sequence_number: String,
    #[serde(deserialize_with = "from_base64")]
    pub data: Bytes,
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map(Bytes::from).map_err(de::Error::custom)
}

/// Records of one shard, in order.
#[derive(Debug, PartialEq)]
pub struct Batch {
    pub shard: PartitionId,
    pub records: Vec<Record>,
}

/// What names no shard or no sequence number is not of Kinesis.
#[derive(Debug, PartialEq)]
pub struct NotARecord(pub String);

/// Lambda delivers one shard at a time; whoever calls by hand may not.
pub fn batches(delivered: Delivered) -> Result<Vec<Batch>, NotARecord> {
    let mut batches: Vec<Batch> = Vec::new();
    for delivery in delivered.records {
        let (shard, record) = read(delivery)?;
        match batches.iter_mut().find(|batch| batch.shard == shard) {
            Some(batch) => batch.records.push(record),
            None => batches.push(Batch { shard, records: vec![record] }),
        }
    }
    Ok(batches)
}

fn read(delivery: Delivery) -> Result<(PartitionId, Record), NotARecord> {
    let not = || NotARecord(delivery.id.clone());
    let (shard, sequence) = delivery.id.split_once(':').ok_or_else(not)?;
    let Payload { approximate_arrival_timestamp, partition_key, data, .. } = delivery.kinesis;
    let arrived_at = Timestamp::from_ms((approximate_arrival_timestamp * 1000.0).round() as i64);
    let record = Record {
        sequence: sequence.parse().map_err(|_| not())?,
        arrived_at,
        partition_key: partition_key.into(),
        data,
    };
    Ok((PartitionId::new(shard), record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_to_its_millisecond() {
        for (seconds, ms) in [
            ("1545084650", 1_545_084_650_000),
            ("1545084650.0", 1_545_084_650_000),
            ("1545084650.9", 1_545_084_650_900),
            ("1545084650.98", 1_545_084_650_980),
            ("1545084650.987", 1_545_084_650_987),
            ("1545084650.05", 1_545_084_650_050),
            ("1545084650.001", 1_545_084_650_001),
            ("1.795674881085E9", 1_795_674_881_085),
        ] {
            let event = format!(
                r#"{{"Records":[{{"eventSource":"aws:kinesis","eventID":"shardId-000000000006:4959033827149025660855969253",
                "kinesis":{{"kinesisSchemaVersion":"1.0","partitionKey":"jane","sequenceNumber":"4959033827149025660855969253",
                "data":"SGVsbG8=","approximateArrivalTimestamp":{seconds}}}}}]}}"#
            );
            let delivered = serde_json::from_str(&event).expect(&event);
            let record = Record {
                sequence: "4959033827149025660855969253".parse().expect("a number"),
                arrived_at: Timestamp::from_ms(ms),
                partition_key: "jane".into(),
                data: Bytes::from_static(b"Hello"),
            };
            let batch = Batch { shard: PartitionId::new("shardId-000000000006"), records: vec![record] };
            assert_eq!(batches(delivered), Ok(vec![batch]), "{seconds}");
        }
    }
}
