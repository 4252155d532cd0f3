//! DescribeStream, DescribeStreamSummary, ListShards and ListStreams.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::description::{Shard, StreamDescription, StreamFacts};
use super::fault::Fault;
use super::stream_name;
use super::wire::Moment;
use crate::Api;

const MAX_SHARDS: usize = 10_000;
const USUAL_SHARDS: usize = 1_000;
const USUAL_DESCRIBED_SHARDS: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DescribeStream {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    limit: Option<usize>,
    exclusive_start_shard_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StreamDescribed {
    stream_description: StreamView,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StreamView {
    #[serde(flatten)]
    common: CommonView,
    encryption_type: &'static str,
    has_more_shards: bool,
    retention_period_hours: u64,
    shards: Vec<ShardView>,
    enhanced_monitoring: [MonitoringView; 1],
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DescribeStreamSummary {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StreamSummarized {
    stream_description_summary: SummaryView,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SummaryView {
    #[serde(flatten)]
    common: CommonView,
    encryption_type: &'static str,
    retention_period_hours: u64,
    open_shard_count: usize,
    consumer_count: usize,
    enhanced_monitoring: [MonitoringView; 1],
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListShards {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    next_token: Option<String>,
    exclusive_start_shard_id: Option<String>,
    max_results: Option<usize>,
    shard_filter: Option<ShardFilter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ShardFilter {
    shard_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ShardsListed {
    shards: Vec<ShardView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListStreams {
    exclusive_start_stream_name: Option<String>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StreamsListed {
    has_more_streams: bool,
    stream_names: Vec<String>,
    stream_summaries: Vec<CommonView>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CommonView {
    stream_name: String,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_status: &'static str,
    stream_mode_details: ModeView,
    stream_creation_timestamp: Moment,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ModeView {
    stream_mode: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MonitoringView {
    shard_level_metrics: [String; 0],
}

const NO_MONITORING: [MonitoringView; 1] = [MonitoringView { shard_level_metrics: [] }];

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ShardView {
    shard_id: String,
    hash_key_range: HashKeyRange,
    sequence_number_range: SequenceNumberRange,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct HashKeyRange {
    starting_hash_key: String,
    ending_hash_key: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SequenceNumberRange {
    starting_sequence_number: String,
}

pub(super) async fn describe_stream<S: StreamDescription>(
    api: &Api<S>,
    request: DescribeStream,
) -> Result<StreamDescribed, Fault> {
    stream_name::check(&api.stream_name, request.stream_name.as_deref(), request.stream_arn.as_deref())?;
    let limit = page_size("limit", request.limit, USUAL_DESCRIBED_SHARDS)?;
    let facts = api.stream.describe().await?;
    let common = common(&api.stream_name, &facts);
    let retention_period_hours = hours(&facts);
    let (shards, has_more_shards) = page(facts.shards, request.exclusive_start_shard_id.as_deref(), limit);
    Ok(StreamDescribed {
        stream_description: StreamView {
            common,
            encryption_type: "NONE",
            has_more_shards,
            retention_period_hours,
            shards,
            enhanced_monitoring: NO_MONITORING,
        },
    })
}

pub(super) async fn describe_stream_summary<S: StreamDescription>(
    api: &Api<S>,
    request: DescribeStreamSummary,
) -> Result<StreamSummarized, Fault> {
    stream_name::check(&api.stream_name, request.stream_name.as_deref(), request.stream_arn.as_deref())?;
    let facts = api.stream.describe().await?;
    Ok(StreamSummarized {
        stream_description_summary: SummaryView {
            common: common(&api.stream_name, &facts),
            encryption_type: "NONE",
            retention_period_hours: hours(&facts),
            open_shard_count: facts.shards.len(),
            consumer_count: 0,
            enhanced_monitoring: NO_MONITORING,
        },
    })
}

pub(super) async fn list_shards<S: StreamDescription>(
    api: &Api<S>,
    request: ListShards,
) -> Result<ShardsListed, Fault> {
    let limit = page_size("maxResults", request.max_results, USUAL_SHARDS)?;
    let after = match &request.next_token {
        // A token stands for the stream and the place in its list.
        Some(token) => Some(shard_in(token).ok_or_else(|| Fault::invalid("Invalid NextToken."))?),
        None => {
            stream_name::check(&api.stream_name, request.stream_name.as_deref(), request.stream_arn.as_deref())?;
            request.exclusive_start_shard_id.or(request.shard_filter.and_then(|filter| filter.shard_id))
        }
    };
    let (shards, has_more) = page(api.stream.describe().await?.shards, after.as_deref(), limit);
    let next_token = shards.last().filter(|_| has_more).map(|last| STANDARD.encode(&last.shard_id));
    Ok(ShardsListed { shards, next_token })
}

pub(super) async fn list_streams<S: StreamDescription>(
    api: &Api<S>,
    request: ListStreams,
) -> Result<StreamsListed, Fault> {
    let after = request.exclusive_start_stream_name.or(request.next_token);
    let is_listed = after.is_none_or(|after| api.stream_name > after);
    let facts = api.stream.describe().await?;
    Ok(StreamsListed {
        has_more_streams: false,
        stream_names: is_listed.then(|| api.stream_name.clone()).into_iter().collect(),
        stream_summaries: is_listed.then(|| common(&api.stream_name, &facts)).into_iter().collect(),
    })
}

fn page_size(field: &str, asked: Option<usize>, usual: usize) -> Result<usize, Fault> {
    match asked {
        Some(size) if (1..=MAX_SHARDS).contains(&size) => Ok(size),
        Some(_) => Err(Fault::constraint(field, &format!("have value between 1 and {MAX_SHARDS}"))),
        None => Ok(usual),
    }
}

/// Shards after `after`, and whether there are more than these.
fn page(shards: Vec<Shard>, after: Option<&str>, limit: usize) -> (Vec<ShardView>, bool) {
    let mut left = shards.into_iter().filter(|shard| after.is_none_or(|after| shard.id.as_str() > after));
    let page = left.by_ref().take(limit).map(ShardView::from).collect();
    (page, left.next().is_some())
}

fn shard_in(token: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(token).ok()?).ok()
}

fn common(name: &str, facts: &StreamFacts) -> CommonView {
    CommonView {
        stream_name: name.to_owned(),
        stream_arn: stream_name::arn(name),
        stream_status: "ACTIVE",
        stream_mode_details: ModeView { stream_mode: "PROVISIONED" },
        stream_creation_timestamp: Moment(facts.created_at),
    }
}

fn hours(facts: &StreamFacts) -> u64 {
    facts.retention.as_secs().div_ceil(3600)
}

impl From<Shard> for ShardView {
    fn from(shard: Shard) -> Self {
        let (first, last) = shard.hash_keys;
        Self {
            shard_id: shard.id.to_string(),
            hash_key_range: HashKeyRange { starting_hash_key: first.to_string(), ending_hash_key: last.to_string() },
            sequence_number_range: SequenceNumberRange { starting_sequence_number: shard.oldest.to_string() },
        }
    }
}
