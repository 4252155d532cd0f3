//! A row of `quarantine` is the record again that was refused.

use std::collections::BTreeSet;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use cdp_event::{Envelope, PartitionId, Reason, Rejection, Timestamp, is_compressed};
use cdp_ports::{
    Condition, FaultKind, Key, LakeReader, NewRecord, PortError, PortResult, State, Stream, Transaction, Write,
};

use super::page::Page;
use super::{Again, OfFile, RefusedRow, Remap, ReplayJob};
use crate::keys::replayed_key;

/// With its key: no stream takes a longer one.
const MAX_RECORD_BYTES: usize = 1 << 20;

pub(super) struct Refused {
    partition: String,
    sequence: String,
    sub: i32,
    source: String,
    received_at: Timestamp,
    bytes: Bytes,
    request: Option<String>,
    /// The bytes are not all of a row: the file ends in it, or it is too long, or not as its file's rows are.
    is_no_row: bool,
}

pub(super) async fn rows(lake: &impl LakeReader, page: &Page) -> PortResult<Vec<Refused>> {
    page.read(lake, read).await
}

fn read(batch: &RecordBatch) -> Option<Vec<Refused>> {
    let text = |name: &str| batch.column_by_name(name)?.as_string_opt::<i32>();
    let (partition, sequence, source) = (text("partition")?, text("sequence")?, text("source")?);
    let (reason, field) = (text("reason")?, text("field")?);
    let is_no_row = |at: usize| {
        let is = |wanted: Reason| reason.value(at) == wanted.as_str();
        is(Reason::TooLarge) || is(Reason::BadRow) && field.is_null(at)
    };
    let sub = batch.column_by_name("sub")?.as_primitive_opt::<Int32Type>()?;
    let received_at = batch.column_by_name("received_at")?.as_primitive_opt::<TimestampMicrosecondType>()?;
    let bytes = batch.column_by_name("bytes")?.as_binary_opt::<i32>()?;
    // A table that an older release made has none.
    let request = text("request");
    let row = |at: usize| Refused {
        partition: partition.value(at).to_owned(),
        sequence: sequence.value(at).to_owned(),
        sub: sub.value(at),
        source: source.value(at).to_owned(),
        received_at: Timestamp::from_ms(received_at.value(at).div_euclid(1000)),
        bytes: Bytes::copy_from_slice(bytes.value(at)),
        request: request.filter(|column| column.is_valid(at)).map(|column| column.value(at).to_owned()),
        is_no_row: is_no_row(at),
    };
    Some((0..batch.num_rows()).map(row).collect())
}

impl Refused {
    pub fn bytes(&self) -> usize {
        self.bytes.len() + self.request.as_ref().map_or(0, String::len)
    }

    /// Whose row it is, if a file's.
    pub fn file(&self) -> Option<PartitionId> {
        Some(PartitionId::new(self.partition.as_str())).filter(PartitionId::is_of_a_file)
    }

    /// What its request said of it. `None`: that can't be read, as when a newer release wrote it.
    fn envelope(&self) -> Option<Envelope> {
        let envelope = Envelope::new(self.source.clone(), self.received_at);
        match &self.request {
            Some(request) => envelope.with_request(request),
            None => Some(envelope),
        }
    }

    fn mark(&self) -> Key {
        replayed_key(&self.partition, &self.sequence, self.sub)
    }

    /// What goes into the stream for it. `None`: it comes again with its file, or from its producer.
    pub fn records(&self, remap: &Remap<'_>) -> Option<Vec<NewRecord>> {
        let envelope = self.envelope()?;
        let of_file = match (self.file(), &envelope.row) {
            (Some(_), Some(row)) if row.events == 0 && self.is_no_row => return None,
            (Some(_), Some(row)) => {
                Some(OfFile { number: self.sequence.parse().ok()?, event: self.sub.cast_unsigned(), row })
            }
            // A file that can't be read has no rows.
            (Some(_), None) => return None,
            (None, _) => None,
        };
        let (source, received_at, bytes) = (self.source.as_str(), self.received_at, &self.bytes[..]);
        let record = |bytes: &[u8], refused: Option<Rejection>| NewRecord {
            partition_key: format!("{}.{}", self.sequence, self.sub),
            explicit_hash_key: None,
            data: Envelope { refused, row: None, ..envelope.clone() }.wrap(bytes).into(),
        };
        let records = match remap(&RefusedRow { source, received_at, bytes, of_file }) {
            // It is taken apart where it is in no envelope.
            Again::AsItIs if is_compressed(bytes) => vec![NewRecord { data: self.bytes.clone(), ..record(b"", None) }],
            Again::AsItIs => vec![record(bytes, None)],
            Again::Mapped(events) => events.into_iter().map(|event| record(&event.bytes, event.refused)).collect(),
            Again::OnlyWithItsFile => return None,
        };
        let fits = |record: &NewRecord| record.data.len() + record.partition_key.len() <= MAX_RECORD_BYTES;
        records.iter().all(fits).then_some(records)
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
    job: &ReplayJob,
    rows: Vec<(&Refused, Vec<NewRecord>)>,
    now: Timestamp,
) -> PortResult<Sent> {
    let keys: Vec<Key> = rows.iter().map(|(row, _)| row.mark()).collect();
    let marks = state.get(&keys).await?;
    let is_ours = |mark: &&cdp_ports::Item| mark.body == job.id.as_bytes();
    let marked_before = marks.iter().flatten().filter(is_ours).count() as u64;
    let is_fresh = marks.iter().map(Option::is_none);
    let (fresh, records): (Vec<&Refused>, Vec<Vec<NewRecord>>) =
        rows.into_iter().zip(is_fresh).filter_map(|(row, is_fresh)| is_fresh.then_some(row)).unzip();
    let sent = Sent {
        replayed: marked_before + fresh.len() as u64,
        passed_over: marks.iter().flatten().count() as u64 - marked_before,
    };
    if fresh.is_empty() {
        return Ok(sent);
    }
    let body = Bytes::copy_from_slice(job.id.as_bytes());
    let mark = |row: &&Refused| Write::Put { key: row.mark(), body: body.clone(), condition: Condition::Absent };
    // Stale: another job was quicker with one of them. Its mark is seen next time.
    commit(state, fresh.iter().map(mark).collect()).await.map_err(PortError::busy_if_stale)?;

    let unmark = |row: &Refused| Write::Delete { key: row.mark(), condition: Condition::Any };
    let of_rows =
        records.into_iter().enumerate().flat_map(|(at, records)| records.into_iter().map(move |one| (at, one)));
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
