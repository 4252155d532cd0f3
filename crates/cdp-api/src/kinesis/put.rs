//! PutRecord and PutRecords.

use cdp_event::{PartitionId, Sequence};
use cdp_ports::{FaultKind, NewRecord, Stream};
use serde::{Deserialize, Serialize};

use super::fault::{Fault, Kind};
use super::stream_name;
use super::wire::Blob;
use crate::Api;

const MAX_RECORDS: usize = 500;
const MAX_REQUEST_BYTES: usize = 5 << 20;
const MAX_PARTITION_KEY_CHARS: usize = 256;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecord {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    data: Option<Blob>,
    partition_key: Option<String>,
    explicit_hash_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecords {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    records: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    data: Option<Blob>,
    partition_key: Option<String>,
    explicit_hash_key: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RecordPut {
    shard_id: String,
    sequence_number: String,
    encryption_type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RecordsPut {
    failed_record_count: usize,
    records: Vec<EntryPut>,
    encryption_type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase", untagged)]
enum EntryPut {
    #[serde(rename_all = "PascalCase")]
    Taken { shard_id: String, sequence_number: String },
    #[serde(rename_all = "PascalCase")]
    Failed { error_code: &'static str, error_message: &'static str },
}

pub(super) async fn put_record<S: Stream>(api: &Api<S>, request: PutRecord) -> Result<RecordPut, Fault> {
    stream_name::check(&api.stream_name, request.stream_name.as_deref(), request.stream_arn.as_deref())?;
    let entry = Entry {
        data: request.data,
        partition_key: request.partition_key,
        explicit_hash_key: request.explicit_hash_key,
    };
    let record = entry.into_record("data", "partitionKey", api.limits.record_bytes)?;
    let bytes = record.data.len();
    let places = api.stream.append(vec![record], api.now()).await?;
    let Some((shard, sequence)) = places.into_iter().next() else {
        return Err(Fault::new(Kind::InternalFailure, "The stream named no place for the record."));
    };
    count(1, bytes);
    Ok(RecordPut { shard_id: shard.to_string(), sequence_number: sequence.to_string(), encryption_type: "NONE" })
}

pub(super) async fn put_records<S: Stream>(api: &Api<S>, request: PutRecords) -> Result<RecordsPut, Fault> {
    stream_name::check(&api.stream_name, request.stream_name.as_deref(), request.stream_arn.as_deref())?;
    let entries = request.records.ok_or_else(|| Fault::constraint("records", "not be null"))?;
    if entries.is_empty() {
        return Err(Fault::constraint("records", "have length greater than or equal to 1"));
    }
    if entries.len() > MAX_RECORDS {
        return Err(Fault::constraint("records", &format!("have length less than or equal to {MAX_RECORDS}")));
    }
    let records = records_of(entries, api.limits.record_bytes)?;
    let (taken, bytes) = (records.len(), records.iter().map(|record| record.data.len()).sum());
    match api.stream.append(records, api.now()).await {
        Ok(places) => {
            count(taken, bytes);
            Ok(all_taken(places))
        }
        // The SDKs send failed records again, and only those: each is told of by itself.
        Err(error) if error.kind == FaultKind::Busy => Ok(all_failed(taken)),
        Err(error) => Err(error.into()),
    }
}

fn records_of(entries: Vec<Entry>, record_bytes: usize) -> Result<Vec<NewRecord>, Fault> {
    let mut records = Vec::with_capacity(entries.len());
    let mut total_bytes = 0;
    for (at, entry) in (1..).zip(entries) {
        let data_field = format!("records.{at}.member.data");
        let key_field = format!("records.{at}.member.partitionKey");
        let record = entry.into_record(&data_field, &key_field, record_bytes)?;
        total_bytes += record.data.len() + record.partition_key.len();
        records.push(record);
    }
    if total_bytes > MAX_REQUEST_BYTES {
        return Err(Fault::invalid("Records size exceeds 5 MB limit"));
    }
    Ok(records)
}

impl Entry {
    fn into_record(self, data_field: &str, key_field: &str, record_bytes: usize) -> Result<NewRecord, Fault> {
        let Blob(data) = self.data.ok_or_else(|| Fault::constraint(data_field, "not be null"))?;
        let partition_key = self.partition_key.ok_or_else(|| Fault::constraint(key_field, "not be null"))?;
        if partition_key.is_empty() {
            return Err(Fault::constraint(key_field, "have length greater than or equal to 1"));
        }
        if partition_key.chars().count() > MAX_PARTITION_KEY_CHARS {
            let constraint = format!("have length less than or equal to {MAX_PARTITION_KEY_CHARS}");
            return Err(Fault::constraint(key_field, &constraint));
        }
        if data.len() + partition_key.len() > record_bytes {
            return Err(Fault::constraint(data_field, &format!("have length less than or equal to {record_bytes}")));
        }
        let explicit_hash_key = self.explicit_hash_key.map(|key| hash_key(&key)).transpose()?;
        Ok(NewRecord { partition_key, explicit_hash_key, data })
    }
}

fn hash_key(text: &str) -> Result<u128, Fault> {
    let is_decimal = text == "0" || (text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0'));
    text.parse().ok().filter(|_| is_decimal).ok_or_else(|| {
        let text: String = text.chars().take(60).collect();
        Fault::invalid(format!(
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {text}"
        ))
    })
}

fn all_taken(places: Vec<(PartitionId, Sequence)>) -> RecordsPut {
    let taken = |(shard, sequence): (PartitionId, Sequence)| EntryPut::Taken {
        shard_id: shard.to_string(),
        sequence_number: sequence.to_string(),
    };
    RecordsPut { failed_record_count: 0, records: places.into_iter().map(taken).collect(), encryption_type: "NONE" }
}

fn all_failed(count: usize) -> RecordsPut {
    let failed = || EntryPut::Failed {
        error_code: Kind::ThroughputExceeded.as_str(),
        error_message: "Rate exceeded for the stream; try again later.",
    };
    RecordsPut { failed_record_count: count, records: (0..count).map(|_| failed()).collect(), encryption_type: "NONE" }
}

fn count(records: usize, bytes: usize) {
    metrics::counter!("cdp_events_taken_total", "source" => "stream").increment(records as u64);
    metrics::counter!("cdp_event_bytes_total", "source" => "stream").increment(bytes as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_key_is_a_plain_decimal_below_2_to_the_128() {
        for (text, expected) in [
            ("0", Some(0)),
            ("17", Some(17)),
            ("340282366920938463463374607431768211455", Some(u128::MAX)),
            ("340282366920938463463374607431768211456", None),
            ("", None),
            ("00", None),
            ("+1", None),
            ("-1", None),
        ] {
            assert_eq!(hash_key(text).ok(), expected, "{text}");
        }
    }
}
