//! The port: one stream, by its name.

use aws_config::SdkConfig;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::types::ShardIteratorType;
use bytes::Bytes;
use cdp_aws::fault;
use cdp_event::{PartitionId, Record, Sequence, Timestamp};
use cdp_ports::{FaultKind, NewRecord, PortError, PortResult, Stream};

/// What GetRecords takes.
const MOST_RECORDS: usize = 10_000;
/// An answer may be empty though records lie ahead: so many are looked past.
const EMPTY_ANSWERS: u32 = 20;

pub struct KinesisStream {
    pub(crate) client: Client,
    pub(crate) name: String,
}

impl KinesisStream {
    pub fn new(config: &SdkConfig, name: impl Into<String>) -> Self {
        Self { client: Client::new(config), name: name.into() }
    }

    async fn iterator(&self, partition: &PartitionId, after: Option<Sequence>) -> PortResult<Option<String>> {
        let kind =
            if after.is_some() { ShardIteratorType::AfterSequenceNumber } else { ShardIteratorType::TrimHorizon };
        let answer = self
            .client
            .get_shard_iterator()
            .stream_name(&self.name)
            .shard_id(partition.as_str())
            .shard_iterator_type(kind)
            .set_starting_sequence_number(after.map(|after| after.to_string()))
            .send()
            .await;
        Ok(answer.map_err(|error| fault(self.reading(partition), error))?.shard_iterator)
    }

    fn reading(&self, partition: &PartitionId) -> String {
        format!("read {partition} of the stream {}", self.name)
    }

    fn record(&self, partition: &PartitionId, record: aws_sdk_kinesis::types::Record) -> PortResult<Record> {
        let sequence = record.sequence_number().parse::<Sequence>();
        let arrived_ms = record.approximate_arrival_timestamp().and_then(|at| at.to_millis().ok());
        Ok(Record {
            sequence: sequence
                .map_err(|error| PortError::because(FaultKind::Broken, self.reading(partition), error))?,
            arrived_at: Timestamp::from_ms(arrived_ms.unwrap_or_default()),
            partition_key: record.partition_key.unwrap_or_default().into(),
            data: Bytes::from(record.data.into_inner()),
        })
    }
}

impl Stream for KinesisStream {
    async fn partitions(&self) -> PortResult<Vec<PartitionId>> {
        Ok(self.shards().await?.into_iter().map(|shard| shard.id).collect())
    }

    async fn append(&self, records: Vec<NewRecord>, _: Timestamp) -> PortResult<Vec<(PartitionId, Sequence)>> {
        self.append_all(&records).await
    }

    async fn append_once(&self, records: Vec<NewRecord>, _: Timestamp) -> PortResult<Vec<usize>> {
        self.append_all_once(&records).await
    }

    async fn read(
        &self,
        partition: &PartitionId,
        after: Option<Sequence>,
        max_records: usize,
        max_bytes: usize,
    ) -> PortResult<Vec<Record>> {
        let mut iterator = self.iterator(partition, after).await?;
        for _ in 0..EMPTY_ANSWERS {
            let Some(at) = iterator else { break };
            let limit = i32::try_from(max_records.clamp(1, MOST_RECORDS)).unwrap_or(i32::MAX);
            let answer = self.client.get_records().shard_iterator(at).limit(limit).send().await;
            let answer = answer.map_err(|error| fault(self.reading(partition), error))?;
            let is_at_the_tip = answer.millis_behind_latest().unwrap_or_default() == 0;
            let GetRecordsOutput { records, next_shard_iterator, .. } = answer;
            if !records.is_empty() {
                let records = records.into_iter().map(|record| self.record(partition, record));
                return Ok(up_to(max_bytes, records.collect::<PortResult<_>>()?));
            }
            if is_at_the_tip {
                break;
            }
            iterator = next_shard_iterator;
        }
        Ok(vec![])
    }
}

/// The first records that have about `max_bytes`, at least one.
fn up_to(max_bytes: usize, mut records: Vec<Record>) -> Vec<Record> {
    let mut bytes = 0;
    let fitting = records.iter().take_while(|record| {
        bytes += record.data.len();
        bytes <= max_bytes
    });
    let count = fitting.count().max(1);
    records.truncate(count);
    records
}
