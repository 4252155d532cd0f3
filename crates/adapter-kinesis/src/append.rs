//! PutRecords, until each record has its place. The service takes some records of a request and throttles others; those go
//! again, so among the records of one shard they come later than they stood.

use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry};
use cdp_aws::fault;
use cdp_event::{PartitionId, Sequence};
use cdp_ports::{FaultKind, NewRecord, PortError, PortResult};

use crate::KinesisStream;

/// What PutRecords takes.
const MOST_RECORDS: usize = 500;
const MOST_BYTES: usize = 5 << 20;
const TRIES: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_millis(50);

type Place = (PartitionId, Sequence);

/// What became of a request's records, one by one.
struct Taken {
    /// `None`: throttled to the end.
    places: Vec<Option<Place>>,
    /// Why the last of those was not taken.
    refused: Option<String>,
}

impl KinesisStream {
    pub(crate) async fn append_all(&self, records: &[NewRecord]) -> PortResult<Vec<Place>> {
        self.check(records)?;
        let mut places = Vec::with_capacity(records.len());
        for some in requests(records) {
            let taken = self.append_some(some).await.map_err(|error| behind(!places.is_empty(), error))?;
            if let Some(refused) = taken.refused {
                return Err(self.throttled(
                    records.len(),
                    taken.places.iter().filter(|p| p.is_none()).count(),
                    &refused,
                ));
            }
            places.extend(taken.places.into_iter().flatten());
        }
        Ok(places)
    }

    /// Answers which records were throttled to the end.
    pub(crate) async fn append_all_once(&self, records: &[NewRecord]) -> PortResult<Vec<usize>> {
        self.check(records)?;
        let mut places = Vec::with_capacity(records.len());
        for some in requests(records) {
            let taken =
                self.append_some(some).await.map_err(|error| behind(places.iter().any(Option::is_some), error))?;
            places.extend(taken.places);
            // The stream is overloaded: what it was not asked to take waits with what it refused.
            if taken.refused.is_some() {
                break;
            }
        }
        let is_written = |at: &usize| places.get(*at).is_some_and(Option::is_some);
        Ok((0..records.len()).filter(|at| !is_written(at)).collect())
    }

    fn check(&self, records: &[NewRecord]) -> PortResult<()> {
        let why = records.iter().find_map(NewRecord::refusal);
        why.map_or(Ok(()), |why| Err(PortError::because(FaultKind::Refused, self.appending(records.len()), why)))
    }

    fn throttled(&self, count: usize, left: usize, refused: &str) -> PortError {
        let why = format!("{left} were not taken, the last for {refused}; give the stream more shards");
        PortError {
            retry_after: Some(Duration::from_secs(1)),
            ..PortError::because(FaultKind::Busy, self.appending(count), why)
        }
    }

    /// What one request takes, as far as the stream does.
    async fn append_some(&self, records: &[NewRecord]) -> PortResult<Taken> {
        let mut places: Vec<Option<Place>> = vec![None; records.len()];
        let mut left: Vec<usize> = (0..records.len()).collect();
        let mut refused = String::new();
        for tried in 0..TRIES {
            if tried > 0 {
                tokio::time::sleep(FIRST_WAIT * (1 << (tried - 1))).await;
            }
            let answers = self
                .put(left.iter().map(|at| &records[*at]))
                .await
                .map_err(|error| behind(places.iter().any(Option::is_some), error))?;
            let mut throttled = Vec::new();
            for (at, answer) in left.into_iter().zip(answers) {
                match place_of(&answer) {
                    Some(place) => places[at] = Some(place),
                    None => {
                        refused = format!(
                            "{}: {}",
                            answer.error_code().unwrap_or_default(),
                            answer.error_message().unwrap_or_default()
                        );
                        throttled.push(at);
                    }
                }
            }
            left = throttled;
            if left.is_empty() {
                return Ok(Taken { places, refused: None });
            }
        }
        Ok(Taken { places, refused: Some(refused) })
    }

    async fn put(&self, records: impl Iterator<Item = &NewRecord>) -> PortResult<Vec<PutRecordsResultEntry>> {
        let entries = records.map(entry).collect::<Result<Vec<_>, _>>();
        let entries = entries.map_err(|error| PortError::because(FaultKind::Refused, self.appending(1), error))?;
        let count = entries.len();
        let sent = self.client.put_records().stream_name(&self.name).set_records(Some(entries)).send().await;
        let answers = sent.map_err(|error| fault(self.appending(count), error))?.records;
        if answers.len() != count {
            let why = format!("{} answers came for {count} records", answers.len());
            return Err(PortError::because(FaultKind::Busy, self.appending(count), why));
        }
        Ok(answers)
    }

    fn appending(&self, count: usize) -> String {
        format!("append {count} records to the stream {}", self.name)
    }
}

/// A fault behind records that were written: whatever it is, the caller must not take all of them for not written.
fn behind(some_are_written: bool, error: PortError) -> PortError {
    if some_are_written { PortError { kind: FaultKind::Busy, ..error } } else { error }
}

fn entry(record: &NewRecord) -> Result<PutRecordsRequestEntry, aws_sdk_kinesis::error::BuildError> {
    PutRecordsRequestEntry::builder()
        .partition_key(&record.partition_key)
        .set_explicit_hash_key(record.explicit_hash_key.map(|hash| hash.to_string()))
        .data(Blob::new(record.data.as_ref()))
        .build()
}

fn place_of(answer: &PutRecordsResultEntry) -> Option<Place> {
    let sequence = answer.sequence_number()?.parse().ok()?;
    Some((PartitionId::new(answer.shard_id()?), sequence))
}

/// As many records as one request takes, in their order.
fn requests(records: &[NewRecord]) -> impl Iterator<Item = &[NewRecord]> {
    let (mut count, mut bytes) = (0, 0);
    records.chunk_by(move |record, next| {
        count += 1;
        bytes += size(record);
        let goes_on = count < MOST_RECORDS && bytes + size(next) <= MOST_BYTES;
        if !goes_on {
            (count, bytes) = (0, 0);
        }
        goes_on
    })
}

fn size(record: &NewRecord) -> usize {
    record.data.len() + record.partition_key.len()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_fault_behind_written_records_is_no_refusal() {
        for (some_are_written, expected) in [(false, FaultKind::Broken), (true, FaultKind::Busy)] {
            let fault = behind(some_are_written, PortError::new(FaultKind::Broken, "append"));
            assert_eq!(fault.kind, expected);
        }
    }

    #[test]
    fn requests_are_as_large_as_the_service_takes() {
        for (count, bytes, expected) in [
            (0, 10, vec![]),
            (1, 10, vec![1]),
            (500, 10, vec![500]),
            (1001, 10, vec![500, 500, 1]),
            (12, 1 << 20, vec![4, 4, 4]),
        ] {
            let data = Bytes::from(vec![b'x'; bytes]);
            let record = NewRecord { partition_key: "k".into(), explicit_hash_key: None, data };
            let records = vec![record; count];
            assert_eq!(requests(&records).map(<[_]>::len).collect::<Vec<_>>(), expected, "{count} of {bytes}");
        }
    }
}
