//! Pages of a table's rows in the order of their receipt, whatever files they lie in.
//!
//! First where the next rows stand, of the few columns that tell that; then those rows. Files whose bounds say that they hold
//! nothing of a page are not opened.

use std::collections::BinaryHeap;
use std::sync::Arc;

use arrow::array::{AsArray, StringArray};
use arrow::datatypes::{Int32Type, SchemaRef, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use cdp_event::{Offset, PartitionId, Timestamp};
use cdp_lake::layout;
use cdp_ports::{FaultKind, LakeFile, LakeReader, PortError, PortResult, TableName};

use super::{ReplayJob, What};

/// Events of a page: each page looks through the files that it touches, and is held in memory.
pub(super) const PAGE: usize = 20_000;
/// Refused rows of a page: each may have a MiB.
pub(super) const PAGE_OF_REFUSED: usize = 500;

/// Where a row stands: when it was received, and then by its position, which names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub received_at: Timestamp,
    pub partition: PartitionId,
    pub offset: Offset,
}

/// A row in its file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    pub place: Place,
    /// Which of the page's files.
    file: usize,
    /// Its number in the file, from 0.
    row: u64,
}

pub(super) struct Page {
    table: TableName,
    files: Vec<LakeFile>,
    /// In order.
    found: Vec<Found>,
}

pub(super) struct Pages<'p, L> {
    pub lake: &'p L,
    pub job: &'p ReplayJob,
    pub rows: usize,
}

impl<L: LakeReader> Pages<'_, L> {
    /// The next rows behind `after`, `None`: the first ones. Empty: there are no more.
    pub async fn after(&self, after: Option<&Place>) -> PortResult<Page> {
        let table = self.job.table();
        let since = self.job.since.max(after.map(|place| place.received_at));
        let files = self.files(since).await?;
        let columns = columns(table, &["received_at", "source", "partition", "sequence", "sub"], self.reason());
        let mut nearest = Nearest { rows: self.rows, heap: BinaryHeap::new() };
        for (file, listed) in files.iter().enumerate() {
            if nearest.is_full_before(listed) {
                break;
            }
            let mut row = 0;
            for batch in self.lake.rows(table, &listed.path, &columns, None).await? {
                let batch = batch?;
                self.look_through(&batch, after, file, row, &mut nearest)?;
                row += batch.num_rows() as u64;
            }
        }
        Ok(Page { table, files, found: nearest.heap.into_sorted_vec() })
    }

    /// How many rows there are in the files that the job touches.
    pub async fn at_most(&self) -> PortResult<u64> {
        Ok(self.files(self.job.since).await?.iter().map(|file| file.rows).sum())
    }

    /// Files that may hold rows of the job, the earliest first.
    async fn files(&self, since: Option<Timestamp>) -> PortResult<Vec<LakeFile>> {
        let may_hold = |file: &LakeFile| {
            file.received.is_none_or(|(first, last)| first < self.job.until && since.is_none_or(|since| since <= last))
        };
        let mut files = self.lake.files(self.job.table()).await?;
        files.retain(may_hold);
        files.sort_by_key(|file| file.received.map(|(first, _)| first));
        Ok(files)
    }

    fn look_through(
        &self,
        batch: &RecordBatch,
        after: Option<&Place>,
        file: usize,
        begins: u64,
        nearest: &mut Nearest,
    ) -> PortResult<()> {
        let columns = Keys::of(batch).ok_or_else(|| unexpected(self.job.table()))?;
        let mut partition: Option<PartitionId> = None;
        for at in 0..batch.num_rows() {
            let received_at = columns.received_at(at);
            let is_in_time = received_at < self.job.until && self.job.since.is_none_or(|since| since <= received_at);
            let is_passed = after.is_some_and(|after| received_at < after.received_at);
            if !is_in_time || is_passed || nearest.is_full_at(received_at) || !self.is_chosen(&columns, at) {
                continue;
            }
            // Rows of a partition stand together, as a rule: its name is kept once.
            let name = columns.partition.value(at);
            let known = partition.take().filter(|known| known.as_str() == name);
            let partition = partition.insert(known.unwrap_or_else(|| PartitionId::new(name))).clone();
            let offset = columns.offset(at).ok_or_else(|| unexpected(self.job.table()))?;
            let place = Place { received_at, partition, offset };
            if after.is_none_or(|after| place > *after) {
                nearest.push(Found { place, file, row: begins + at as u64 });
            }
        }
        Ok(())
    }

    fn is_chosen(&self, columns: &Keys<'_>, at: usize) -> bool {
        let is_source = self.job.source.as_deref().is_none_or(|source| columns.source.value(at) == source);
        let is_reason = match (self.reason(), columns.reason) {
            (Some(wanted), Some(reasons)) => reasons.value(at) == wanted,
            (Some(_), None) => false,
            (None, _) => true,
        };
        is_source && is_reason
    }

    fn reason(&self) -> Option<&str> {
        match &self.job.what {
            What::Quarantine { reason } => reason.as_deref(),
            What::Events { .. } => None,
        }
    }
}

/// The first rows in order, of those that were pushed.
struct Nearest {
    rows: usize,
    heap: BinaryHeap<Found>,
}

impl Nearest {
    fn push(&mut self, found: Found) {
        self.heap.push(found);
        if self.heap.len() > self.rows {
            self.heap.pop();
        }
    }

    /// No row that was received later can be among the first any more.
    fn is_full_at(&self, received_at: Timestamp) -> bool {
        self.heap.len() >= self.rows && self.heap.peek().is_some_and(|last| last.place.received_at < received_at)
    }

    fn is_full_before(&self, file: &LakeFile) -> bool {
        file.received.is_some_and(|(first, _)| self.is_full_at(first))
    }
}

struct Keys<'b> {
    received_at: &'b arrow::array::TimestampMicrosecondArray,
    source: &'b StringArray,
    partition: &'b StringArray,
    sequence: &'b StringArray,
    sub: &'b arrow::array::Int32Array,
    reason: Option<&'b StringArray>,
}

impl<'b> Keys<'b> {
    fn of(batch: &'b RecordBatch) -> Option<Self> {
        let text = |name: &str| batch.column_by_name(name)?.as_string_opt::<i32>();
        Some(Self {
            received_at: batch.column_by_name("received_at")?.as_primitive_opt::<TimestampMicrosecondType>()?,
            source: text("source")?,
            partition: text("partition")?,
            sequence: text("sequence")?,
            sub: batch.column_by_name("sub")?.as_primitive_opt::<Int32Type>()?,
            reason: text("reason"),
        })
    }

    fn received_at(&self, at: usize) -> Timestamp {
        Timestamp::from_ms(self.received_at.value(at).div_euclid(1000))
    }

    fn offset(&self, at: usize) -> Option<Offset> {
        Some(Offset::new(self.sequence.value(at).parse().ok()?, u32::try_from(self.sub.value(at)).ok()?))
    }
}

impl Page {
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Where its rows stand, in order.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.found.iter().map(|found| &found.place)
    }

    /// Reads the page's rows, with all columns of the table, and makes a value of each. They come in the order of the page.
    pub async fn read<T>(
        &self,
        lake: &impl LakeReader,
        make: impl Fn(&RecordBatch) -> Option<Vec<T>>,
    ) -> PortResult<Vec<T>> {
        let columns = layout_of(self.table);
        let mut in_files: Vec<usize> = (0..self.found.len()).collect();
        in_files.sort_unstable_by_key(|at| self.found.get(*at).map(|found| (found.file, found.row)));
        let mut made: Vec<(usize, T)> = Vec::with_capacity(self.found.len());
        for of_one in in_files.chunk_by(|a, b| self.file(*a) == self.file(*b)) {
            let Some(file) = of_one.first().and_then(|at| self.files.get(self.file(*at)?)) else { continue };
            let rows: Vec<u64> = of_one.iter().filter_map(|at| Some(self.found.get(*at)?.row)).collect();
            let mut places = of_one.iter();
            for batch in lake.rows(self.table, &file.path, &columns, Some(&rows)).await? {
                let values = make(&batch?).ok_or_else(|| unexpected(self.table))?;
                made.extend(values.into_iter().zip(places.by_ref()).map(|(value, at)| (*at, value)));
            }
        }
        if made.len() != self.found.len() {
            return Err(unexpected(self.table));
        }
        made.sort_unstable_by_key(|(at, _)| *at);
        Ok(made.into_iter().map(|(_, value)| value).collect())
    }

    fn file(&self, at: usize) -> Option<usize> {
        Some(self.found.get(at)?.file)
    }
}

fn layout_of(table: TableName) -> SchemaRef {
    match table {
        TableName::Events => layout::EVENTS.clone(),
        TableName::Quarantine => layout::QUARANTINE.clone(),
        TableName::Identity => layout::IDENTITY.clone(),
        TableName::Profiles => layout::PROFILES.clone(),
    }
}

fn columns(table: TableName, names: &[&str], reason: Option<&str>) -> SchemaRef {
    let names = names.iter().copied().chain(reason.map(|_| "reason"));
    let layout = layout_of(table);
    let fields: Vec<_> = names.filter_map(|name| Some(layout.field_with_name(name).ok()?.clone())).collect();
    Arc::new(arrow::datatypes::Schema::new(fields))
}

fn unexpected(table: TableName) -> PortError {
    let why = "its rows have another form than this release writes: was the table written by another product?";
    PortError::because(FaultKind::Broken, format!("read {table}"), why)
}

#[cfg(test)]
mod tests;
