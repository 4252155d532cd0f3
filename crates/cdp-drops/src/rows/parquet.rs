//! Parquet: record batches of a bounded size, each turned into cells once.

use std::fmt::Display;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef};
use arrow::error::ArrowError;
use arrow::json::writer::{EncoderOptions, make_encoder};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::{Fault, ReadRows, Step, too_long};
use crate::batch::Batch;
use crate::content::{Content, is_of_the_place};
use crate::mapping::{Cell, Cells, Plan, RowName, guess, push_string};
use crate::settings::DropSettings;
use crate::window::MAX_ROW_BYTES;

/// About how much of a file is held as cells.
const BATCH_BYTES: i64 = 8 << 20;
const MOST_BATCH_ROWS: i64 = 4096;

pub(super) struct ParquetRows {
    content: Bounded,
    metadata: ArrowReaderMetadata,
    reader: ParquetRecordBatchReader,
    source: String,
    plan: Plan,
    /// Rows of the batch in hand; `next` is the one that comes after the current one.
    cells: CellTable,
    next: usize,
    raw: Vec<u8>,
}

impl ParquetRows {
    pub fn open(content: Arc<dyn Content>, source: &str, settings: &DropSettings) -> Result<Self, Fault> {
        let content = Bounded::new(content);
        let metadata = content.guarded(|| ArrowReaderMetadata::load(&content, ArrowReaderOptions::new()))?;
        let columns = metadata.schema().fields().iter().map(|field| field.name().clone()).collect();
        let plan = match &settings.mapping {
            Some(mapping) => Plan::bind(mapping, columns, false),
            None => guess(columns),
        };
        let plan = plan.map_err(Fault::Content)?;
        let reader = reader_from(&content, &metadata, 0)?;
        let cells = CellTable::default();
        Ok(Self { content, metadata, reader, source: source.to_owned(), plan, cells, next: 0, raw: vec![] })
    }

    /// As the footer says.
    fn all(&self) -> u64 {
        u64::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }
}

impl ReadRows for ParquetRows {
    fn advance(&mut self) -> io::Result<Step> {
        while self.next >= self.cells.rows {
            let (reader, cells) = (&mut self.reader, &mut self.cells);
            self.next = 0;
            let outcome = self.content.guarded(|| match reader.next() {
                Some(batch) => cells.read(&batch?).map(|()| true),
                None => Ok(false),
            });
            match outcome {
                Ok(true) => {}
                Ok(false) => {
                    self.cells.rows = 0;
                    return Ok(Step::End);
                }
                Err(Trouble::Device(error)) => return Err(error),
                Err(Trouble::Content(detail)) => return Ok(Step::CutOff { detail, rest: vec![] }),
            }
        }
        self.next += 1;
        Ok(Step::Row)
    }

    fn emit(&mut self, number: u64, batch: &mut Batch) {
        let cells = RowCells { table: &self.cells, row: self.next.saturating_sub(1) };
        self.raw.clear();
        cells.write_json(&self.plan, &mut self.raw);
        if self.raw.len() > MAX_ROW_BYTES {
            let (head, rejection) = too_long(&self.raw);
            return batch.push_refused(number, &head, rejection);
        }
        let row = RowName { source: &self.source, number, raw: &self.raw };
        batch.push_mapped(number, &self.raw, |out| self.plan.write(row, &cells, out));
    }

    /// Row groups that are passed over are not read.
    fn skip(&mut self, rows: u64) -> io::Result<u64> {
        let skipped = rows.min(self.all());
        match reader_from(&self.content, &self.metadata, skipped) {
            Ok(reader) => self.reader = reader,
            Err(Fault::Device(error)) => return Err(error),
            Err(Fault::Content(detail)) => return Err(io::Error::other(detail)),
        }
        Ok(skipped)
    }

    fn encoding(&self) -> &'static str {
        "binary"
    }

    fn rows_in_all(&self) -> Option<u64> {
        Some(self.all())
    }
}

fn reader_from(
    content: &Bounded,
    metadata: &ArrowReaderMetadata,
    skip: u64,
) -> Result<ParquetRecordBatchReader, Fault> {
    let groups = metadata.metadata().row_groups();
    let mut offset = skip;
    let mut first = 0;
    for group in groups {
        let rows = u64::try_from(group.num_rows()).unwrap_or(0);
        if offset < rows {
            break;
        }
        offset -= rows;
        first += 1;
    }
    let bytes: i64 = groups.iter().map(|group| group.total_byte_size().max(0)).fold(0, i64::saturating_add);
    let rows = groups.iter().map(|group| group.num_rows().max(0)).fold(0, i64::saturating_add);
    let batch_rows = (BATCH_BYTES / (bytes / rows.max(1)).max(1)).clamp(1, MOST_BATCH_ROWS);
    let reader = content.guarded(|| {
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(content.clone(), metadata.clone());
        builder
            .with_row_groups((first..groups.len()).collect())
            .with_offset(usize::try_from(offset).unwrap_or(usize::MAX))
            .with_batch_size(usize::try_from(batch_rows).unwrap_or(1))
            .build()
    })?;
    Ok(reader)
}

/// The length bounds what is asked for: a broken footer must not make us reserve what it says. And a fault of the place is
/// kept: on their way through the decoder errors become text.
#[derive(Clone)]
struct Bounded {
    content: Arc<dyn Content>,
    fault: Arc<Mutex<Option<io::Error>>>,
}

impl Bounded {
    fn new(content: Arc<dyn Content>) -> Self {
        Self { content, fault: Arc::default() }
    }

    fn check(&self, start: u64, length: u64) -> Result<(), ParquetError> {
        if start.checked_add(length).is_some_and(|end| end <= self.len()) {
            return Ok(());
        }
        Err(ParquetError::EOF(format!("{length} bytes at {start} are beyond the file's {}", self.len())))
    }

    /// Reads by the decoder, which does not promise to be free of panics on broken pages; what it panicked on is never touched
    /// again.
    fn guarded<T, E: Display>(&self, read: impl FnOnce() -> Result<T, E>) -> Result<T, Trouble> {
        let outcome = catch_unwind(AssertUnwindSafe(read));
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (outcome, fault) {
            (Ok(Ok(read)), _) => Ok(read),
            (_, Some(fault)) => Err(Trouble::Device(fault)),
            (Ok(Err(error)), None) => Err(Trouble::Content(error.to_string())),
            (Err(_), None) => Err(Trouble::Content("a page is broken".to_owned())),
        }
    }
}

impl Length for Bounded {
    fn len(&self) -> u64 {
        self.content.length()
    }
}

impl ChunkReader for Bounded {
    type T = BufReader<PageBytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        self.check(start, 0)?;
        Ok(BufReader::new(PageBytes { content: self.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.check(start, length as u64)?;
        let mut bytes = vec![0; length];
        PageBytes { content: self.clone(), at: start }.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

struct PageBytes {
    content: Bounded,
    at: u64,
}

impl Read for PageBytes {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.content.content.read_at(self.at, into) {
            Ok(count) => {
                self.at += count as u64;
                Ok(count)
            }
            Err(error) if error.kind() != io::ErrorKind::Interrupted && is_of_the_place(&error) => {
                let told = io::Error::other(error.to_string());
                *self.content.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Err(told)
            }
            Err(error) => Err(error),
        }
    }
}

enum Trouble {
    Device(io::Error),
    Content(String),
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Device(error) => Self::Device(error),
            Trouble::Content(detail) => Self::Content(format!("it can't be read as Parquet: {detail}")),
        }
    }
}

/// A record batch as cells, row by row.
#[derive(Default)]
struct CellTable {
    rows: usize,
    columns: usize,
    bytes: Vec<u8>,
    cells: Vec<StoredCell>,
}

#[derive(Clone, Default)]
enum StoredCell {
    #[default]
    Absent,
    Text(Range<usize>),
    Json(Range<usize>),
}

impl CellTable {
    fn read(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        self.rows = 0;
        self.columns = batch.num_columns();
        self.bytes.clear();
        self.cells.clear();
        self.cells.resize(batch.num_rows() * self.columns, StoredCell::Absent);
        let schema = batch.schema();
        for (column, (field, array)) in schema.fields().iter().zip(batch.columns()).enumerate() {
            self.read_column(column, field, array)?;
        }
        self.rows = batch.num_rows();
        Ok(())
    }

    fn read_column(&mut self, column: usize, field: &FieldRef, array: &ArrayRef) -> Result<(), ArrowError> {
        match array.data_type() {
            DataType::Utf8 => self.keep_texts(column, array, |row| array.as_string::<i32>().value(row).as_bytes()),
            DataType::LargeUtf8 => self.keep_texts(column, array, |row| array.as_string::<i64>().value(row).as_bytes()),
            DataType::Utf8View => self.keep_texts(column, array, |row| array.as_string_view().value(row).as_bytes()),
            // Older writers do not say that their strings are text.
            DataType::Binary => self.keep_texts(column, array, |row| array.as_binary::<i32>().value(row)),
            DataType::LargeBinary => self.keep_texts(column, array, |row| array.as_binary::<i64>().value(row)),
            DataType::BinaryView => self.keep_texts(column, array, |row| array.as_binary_view().value(row)),
            DataType::Dictionary(_, values) => {
                let plain = cast(array, values)?;
                self.read_column(column, field, &plain)?;
            }
            _ => {
                let options = EncoderOptions::default();
                let mut encoder = make_encoder(field, array.as_ref(), &options)?;
                for row in (0..array.len()).filter(|row| array.is_valid(*row)) {
                    let start = self.bytes.len();
                    encoder.encode(row, &mut self.bytes);
                    self.put(row, column, StoredCell::Json(start..self.bytes.len()));
                }
            }
        }
        Ok(())
    }

    fn keep_texts<'a>(&mut self, column: usize, array: &'a ArrayRef, value: impl Fn(usize) -> &'a [u8]) {
        for row in (0..array.len()).filter(|row| array.is_valid(*row)) {
            let start = self.bytes.len();
            match std::str::from_utf8(value(row)) {
                Ok(text) => self.bytes.extend_from_slice(text.as_bytes()),
                Err(_) => self.bytes.extend(value(row).iter().flat_map(|byte| format!("{byte:02x}").into_bytes())),
            }
            self.put(row, column, StoredCell::Text(start..self.bytes.len()));
        }
    }

    fn put(&mut self, row: usize, column: usize, cell: StoredCell) {
        if let Some(place) = self.cells.get_mut(row * self.columns + column) {
            *place = cell;
        }
    }

    fn text(&self, range: &Range<usize>) -> &str {
        self.bytes.get(range.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

struct RowCells<'t> {
    table: &'t CellTable,
    row: usize,
}

impl Cells for RowCells<'_> {
    fn get(&self, column: usize) -> Cell<'_> {
        match self.table.cells.get(self.row * self.table.columns + column) {
            Some(StoredCell::Text(range)) => Cell::Text(self.table.text(range)),
            Some(StoredCell::Json(range)) => Cell::Json(self.table.text(range)),
            Some(StoredCell::Absent) | None => Cell::Absent,
        }
    }
}

impl RowCells<'_> {
    /// The row as a JSON object: a row of Parquet has no bytes of its own.
    fn write_json(&self, plan: &Plan, out: &mut Vec<u8>) {
        out.push(b'{');
        for (column, name) in plan.columns().iter().enumerate() {
            let cell = self.get(column);
            if cell == Cell::Absent {
                continue;
            }
            if out.len() > 1 {
                out.push(b',');
            }
            push_string(out, name);
            out.push(b':');
            match cell {
                Cell::Text(text) => push_string(out, text),
                Cell::Json(json) => out.extend_from_slice(json.as_bytes()),
                Cell::Absent => {}
            }
        }
        out.push(b'}');
    }
}
