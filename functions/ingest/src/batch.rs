//! What the trigger delivers, as records of partitions.

use aws_lambda_events::kinesis::{KinesisEvent, KinesisEventRecord};
use bytes::Bytes;
use cdp_event::{PartitionId, Record, Timestamp};

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
pub fn batches(event: KinesisEvent) -> Result<Vec<Batch>, NotARecord> {
    let mut batches: Vec<Batch> = Vec::new();
    for record in event.records {
        let (shard, record) = read(record)?;
        match batches.iter_mut().find(|batch| batch.shard == shard) {
            Some(batch) => batch.records.push(record),
            None => batches.push(Batch { shard, records: vec![record] }),
        }
    }
    Ok(batches)
}

fn read(record: KinesisEventRecord) -> Result<(PartitionId, Record), NotARecord> {
    let id = record.event_id.unwrap_or_default();
    let not = || NotARecord(id.clone());
    // `shardId-000000000006:49590338271490256608559692538361571095921575989136588898`
    let (shard, sequence) = id.split_once(':').ok_or_else(not)?;
    let kinesis = record.kinesis;
    let record = Record {
        sequence: sequence.parse().map_err(|_| not())?,
        arrived_at: Timestamp::from_ms(kinesis.approximate_arrival_timestamp.timestamp_millis()),
        partition_key: kinesis.partition_key,
        data: Bytes::from(kinesis.data.0),
    };
    Ok((PartitionId::new(shard), record))
}
