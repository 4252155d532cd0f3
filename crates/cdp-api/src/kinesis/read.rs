//! GetShardIterator and GetRecords.

use cdp_event::{PartitionId, Record, Sequence, Timestamp};
use cdp_ports::Stream;
use serde::{Deserialize, Serialize};

use super::description::{Shard, StreamDescription};
use super::fault::{Fault, Kind};
use super::iterator::ShardIterator;
use super::seek::{before, seek};
use super::stream_name;
use super::wire::{Blob, Moment};
use crate::Api;

const MAX_RECORDS: usize = 10_000;
/// Less than Kinesis's 10 MiB: the answer is held in memory, in base64 too.
const MAX_BYTES: usize = 5 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetShardIterator {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    shard_id: Option<String>,
    shard_iterator_type: Option<String>,
    starting_sequence_number: Option<String>,
    timestamp: Option<Moment>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ShardIteratorView {
    shard_iterator: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetRecords {
    shard_iterator: Option<String>,
    limit: Option<usize>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Records {
    records: Vec<RecordView>,
    next_shard_iterator: String,
    millis_behind_latest: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RecordView {
    sequence_number: String,
    approximate_arrival_timestamp: Moment,
    data: Blob,
    partition_key: String,
    encryption_type: &'static str,
}

pub(super) async fn get_shard_iterator<S: StreamDescription>(
    api: &Api<S>,
    request: GetShardIterator,
) -> Result<ShardIteratorView, Fault> {
    stream_name::check(&api.stream_name, request.stream_name.as_deref(), request.stream_arn.as_deref())?;
    let shard_id = request.shard_id.as_deref().ok_or_else(|| Fault::constraint("shardId", "not be null"))?;
    let shard = find_shard(api, shard_id).await?;
    let starting = || {
        let text = request.starting_sequence_number.as_deref();
        let text = text.ok_or_else(|| Fault::invalid("Must specify the starting sequence number for this type."))?;
        text.parse::<Sequence>().map_err(|error| Fault::invalid(format!("StartingSequenceNumber is {error}")))
    };
    let (after, not_before) = match request.shard_iterator_type.as_deref() {
        Some("TRIM_HORIZON") => (None, None),
        Some("LATEST") => (shard.newest, None),
        Some("AFTER_SEQUENCE_NUMBER") => (Some(starting()?), None),
        Some("AT_SEQUENCE_NUMBER") => (before(starting()?), None),
        Some("AT_TIMESTAMP") => match request.timestamp {
            Some(Moment(at)) => (None, Some(at)),
            None => return Err(Fault::invalid("Must specify a timestamp for this type.")),
        },
        Some(_) => {
            let types = "[AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]";
            return Err(Fault::constraint("shardIteratorType", &format!("satisfy enum value set: {types}")));
        }
        None => return Err(Fault::constraint("shardIteratorType", "not be null")),
    };
    let iterator = ShardIterator { shard: shard.id.to_string(), after, not_before, made_at: api.now() };
    Ok(ShardIteratorView { shard_iterator: iterator.encode(&api.stream_name) })
}

pub(super) async fn get_records<S: Stream + StreamDescription>(
    api: &Api<S>,
    request: GetRecords,
) -> Result<Records, Fault> {
    stream_name::check(&api.stream_name, Some(&api.stream_name), request.stream_arn.as_deref())?;
    let text = request.shard_iterator.ok_or_else(|| Fault::constraint("shardIterator", "not be null"))?;
    let limit = request.limit.unwrap_or(MAX_RECORDS);
    if !(1..=MAX_RECORDS).contains(&limit) {
        return Err(Fault::constraint("limit", &format!("have value between 1 and {MAX_RECORDS}")));
    }
    let now = api.now();
    let iterator = ShardIterator::decode(&text, &api.stream_name, now)?;
    let after = match iterator.not_before {
        Some(moment) => seek(&*api.stream, &find_shard(api, &iterator.shard).await?, iterator.after, moment).await?,
        None => iterator.after,
    };
    let read = api.stream.read(&PartitionId::new(&iterator.shard), after, limit, MAX_BYTES).await?;
    // Described after the read: records that came in between count as behind, never as read.
    let newest = find_shard(api, &iterator.shard).await?.newest;

    let last = read.last().map(|record| (record.sequence, record.arrived_at));
    let reached = last.map(|(sequence, _)| sequence).or(after);
    let is_at_tip = reached >= newest;
    let behind_ms = match last {
        Some((_, arrived_at)) if !is_at_tip => (now.as_ms() - arrived_at.as_ms()).max(0),
        _ => 0,
    };
    // What came in since the place was sought may be too early still.
    let is_wanted = |record: &Record| iterator.not_before.is_none_or(|not_before| record.arrived_at >= not_before);
    let next = ShardIterator {
        after: reached,
        made_at: now,
        shard: iterator.shard.clone(),
        not_before: next_not_before(iterator.not_before, last),
    };
    Ok(Records {
        records: read.into_iter().filter(is_wanted).map(RecordView::from).collect(),
        next_shard_iterator: next.encode(&api.stream_name),
        millis_behind_latest: behind_ms,
    })
}

/// A time that was reached is passed for good: later records of the shard are later, whatever a clock said meanwhile.
fn next_not_before(sought: Option<Timestamp>, last: Option<(Sequence, Timestamp)>) -> Option<Timestamp> {
    sought.filter(|sought| last.is_none_or(|(_, arrived_at)| arrived_at < *sought))
}

async fn find_shard<S: StreamDescription>(api: &Api<S>, id: &str) -> Result<Shard, Fault> {
    let shards = api.stream.describe().await?.shards;
    shards.into_iter().find(|shard| shard.id.as_str() == id).ok_or_else(|| {
        let (id, stream) = (id.chars().take(128).collect::<String>(), &api.stream_name);
        let message = format!("Shard {id} in stream {stream} under account 000000000000 does not exist");
        Fault::new(Kind::ResourceNotFound, message)
    })
}

impl From<Record> for RecordView {
    fn from(record: Record) -> Self {
        Self {
            sequence_number: record.sequence.to_string(),
            approximate_arrival_timestamp: Moment(record.arrived_at),
            data: Blob(record.data),
            partition_key: record.partition_key.into(),
            encryption_type: "NONE",
        }
    }
}
