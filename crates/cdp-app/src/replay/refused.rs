//! A row of `quarantine` is the record again that was refused.

use std::collections::{BTreeSet, HashSet};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use cdp_event::{Envelope, PartitionId, Reason, Rejection, Timestamp};
use cdp_ports::{
    Condition, FaultKind, Key, LakeReader, NewRecord, PortError, PortResult, State, Stream, Transaction, Write,
};

use super::page::Page;
use super::{Remap, ReplayJob};
use crate::keys::replayed_key;

pub(super) struct Refused {
    partition: String,
    sequence: String,
    sub: i32,
    source: String,
    received_at: Timestamp,
    bytes: Bytes,
    request: Option<String>,
    is_bad_row: bool,
}

pub(super) async fn rows(lake: &impl LakeReader, page: &Page) -> PortResult<Vec<Refused>> {
    page.read(lake, read).await
}

fn read(batch: &RecordBatch) -> Option<Vec<Refused>> {
    let text = |name: &str| batch.column_by_name(name)?.as_string_opt::<i32>();
    let (partition, sequence, source, reason) =
        (text("partition")?, text("sequence")?, text("source")?, text("reason")?);
    let sub = batch.column_by_name("sub")?.as_primitive_opt::<Int32Type>()?;
    let received_at = batch.column_by_name("received_at")?.as_primitive_opt::<TimestampMicrosecondType>()?;
    let bytes = batch.column_by_name("bytes")?.as_binary_opt::<i32>()?;
    // A table that an older release made has none.
    let request = text("request");
    let row = |at: usize| Refused {
        partition: partition.value(at).to_owned(),
        is_bad_row: reason.value(at) == Reason::BadRow.as_str(),
        sequence: sequence.value(at).to_owned(),
        sub: sub.value(at),
        source: source.value(at).to_owned(),
        received_at: Timestamp::from_ms(received_at.value(at).div_euclid(1000)),
        bytes: Bytes::copy_from_slice(bytes.value(at)),
        request: request.filter(|column| column.is_valid(at)).map(|column| column.value(at).to_owned()),
    };
    Some((0..batch.num_rows()).map(row).collect())
}

impl Refused {
    pub fn bytes(&self) -> usize {
        self.bytes.len() + self.request.as_ref().map_or(0, String::len)
    }

    /// A row of a file is an event by itself when it is JSON that no mapping is laid over. All others come again with their file,
    /// as what can't be read whole comes again from its producer.
    pub fn may_be_an_event(&self, mapped_drops: &HashSet<String>) -> bool {
        let is_event = || self.bytes.starts_with(b"{") && !self.is_bad_row && !mapped_drops.contains(&self.source);
        let may_be = !PartitionId::new(&self.partition).is_of_a_file() || is_event();
        may_be && self.envelope(None).is_some()
    }

    /// `None`: what its request said can't be read.
    fn envelope(&self, refused: Option<Rejection>) -> Option<Envelope> {
        let envelope = Envelope {
            source: self.source.clone(),
            received_at: self.received_at,
            sent_at: None,
            kind: None,
            context: None,
            whole_bytes: None,
            refused,
        };
        match &self.request {
            Some(request) => envelope.with_request(request),
            None => Some(envelope),
        }
    }

    fn mark(&self) -> Key {
        replayed_key(&self.partition, &self.sequence, self.sub)
    }

    fn records(&self, remap: &Remap<'_>) -> Vec<NewRecord> {
        match remap(&self.source, self.received_at, &self.bytes) {
            None => self.record(&self.bytes, None).into_iter().collect(),
            Some(rows) => rows.into_iter().filter_map(|row| self.record(&row.bytes, row.refused)).collect(),
        }
    }

    fn record(&self, bytes: &[u8], refused: Option<Rejection>) -> Option<NewRecord> {
        Some(NewRecord {
            partition_key: format!("{}.{}", self.sequence, self.sub),
            explicit_hash_key: None,
            data: self.envelope(refused)?.wrap(bytes).into(),
        })
    }
}

/// What became of a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// By this job, now or before a crash.
    pub replayed: u64,
    pub passed_over: u64,
}

/// Marks the rows that nobody has replayed yet with the job's name, then appends them. At most a transaction's worth.
///
/// What the stream surely did not take is unmarked again, so that a throttled stream loses nothing. Where nobody knows, the
/// marks stay: no row goes twice.
pub(super) async fn send(
    state: &impl State,
    stream: &impl Stream,
    remap: &Remap<'_>,
    job: &ReplayJob,
    rows: &[Refused],
    now: Timestamp,
) -> PortResult<Sent> {
    let keys: Vec<Key> = rows.iter().map(Refused::mark).collect();
    let marks = state.get(&keys).await?;
    let is_ours = |mark: &&cdp_ports::Item| mark.body == job.id.as_bytes();
    let marked_before = marks.iter().flatten().filter(is_ours).count() as u64;
    let fresh: Vec<&Refused> = rows.iter().zip(&marks).filter(|(_, mark)| mark.is_none()).map(|(row, _)| row).collect();
    let sent = Sent {
        replayed: marked_before + fresh.len() as u64,
        passed_over: marks.iter().flatten().count() as u64 - marked_before,
    };
    if fresh.is_empty() {
        return Ok(sent);
    }
    let body = Bytes::copy_from_slice(job.id.as_bytes());
    let mark = |row: &&Refused| Write::Put { key: row.mark(), body: body.clone(), condition: Condition::Absent };
    commit(state, fresh.iter().map(mark).collect()).await.map_err(|error| {
        // Another job was quicker with one of them: its mark is seen next time.
        if error.is_stale() { PortError { kind: FaultKind::Busy, ..error } } else { error }
    })?;

    let unmark = |row: &Refused| Write::Delete { key: row.mark(), condition: Condition::Any };
    let of_rows =
        fresh.iter().enumerate().flat_map(|(at, row)| row.records(remap).into_iter().map(move |record| (at, record)));
    let (owners, records): (Vec<usize>, Vec<NewRecord>) = of_rows.unzip();
    match stream.append_once(records, now).await {
        Ok(throttled) if throttled.is_empty() => Ok(sent),
        Ok(throttled) => {
            // A row that came to several events goes again whole: those of them that are there are known by their ids.
            let left: BTreeSet<usize> = throttled.iter().filter_map(|at| owners.get(*at).copied()).collect();
            commit(state, left.iter().filter_map(|at| fresh.get(*at)).map(|row| unmark(row)).collect()).await?;
            let why = "the stream is throttled; what it did not take is tried again";
            Err(PortError::because(FaultKind::Busy, format!("append {} refused records", throttled.len()), why))
        }
        Err(error) if error.kind == FaultKind::Busy => Err(error),
        Err(error) => {
            commit(state, fresh.iter().map(|row| unmark(row)).collect()).await?;
            Err(error)
        }
    }
}

async fn commit(state: &impl State, writes: Vec<Write>) -> PortResult<()> {
    state.commit(Transaction { writes, durable: true }).await
}
