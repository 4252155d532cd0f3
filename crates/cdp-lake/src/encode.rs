//! Rows become a Parquet file and the statistics that let a reader pass it over. Where a file lies is not known here.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, new_null_array};
use arrow::compute;
use arrow::datatypes::{DataType, Schema, SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use cdp_event::Timestamp;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use serde_json::{Map, Value, json};

/// Values that hardly repeat: a dictionary costs more than it saves.
const NEARLY_UNIQUE: [&str; 13] = [
    "message_id",
    "sequence",
    "order_id",
    "properties",
    "traits",
    "context",
    "bytes",
    "detail",
    "value",
    "identifiers",
    "counts",
    "members",
    "revenue",
];

/// Columns that queries choose rows by. Their bounds are kept, in the file and beside it; others cost without use.
const CHOSEN_BY: [&str; 16] = [
    "timestamp",
    "type",
    "event",
    "profile_id",
    "user_id",
    "source",
    "received_at",
    "partition",
    "reason",
    "decided_at",
    "decision",
    "namespace",
    "canonical_id",
    "created_at",
    "last_seen",
    "written_at",
];

/// A writer holds a group in memory, compressed, until it is full: of usual rows by their number, of large ones by their bytes.
const ROWS_IN_GROUP: usize = 256 * 1024;
const BYTES_IN_GROUP: usize = 64 << 20;

/// Delta's limit for a bound that is text, in characters.
const BOUND_CHARS: usize = 32;

pub struct EncodedFile {
    pub bytes: Vec<u8>,
    pub summary: Summary,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub rows: u64,
    /// Delta's `stats` as JSON text: `numRecords`, `nullCount`, and `minValues` and `maxValues` of some columns. Moments
    /// in milliseconds; text in its first 32 characters, rounded up in `maxValues`.
    pub stats: String,
}

pub fn encode(rows: &RecordBatch) -> Result<EncodedFile, ParquetError> {
    let mut file = TableFile::new(rows.schema(), Vec::with_capacity(rows.get_array_memory_size() / 8))?;
    file.write(rows)?;
    let (bytes, summary) = file.finish()?;
    Ok(EncodedFile { bytes, summary })
}

/// A file that is written batch by batch.
pub struct TableFile<W: Write + Send> {
    writer: ArrowWriter<W>,
    columns: SchemaRef,
    rows: usize,
    /// One for each column.
    seen: Vec<Seen>,
}

#[derive(Clone, Default)]
struct Seen {
    nulls: usize,
    bounds: Option<Bounds>,
}

#[derive(Clone)]
enum Bounds {
    /// Microseconds.
    Moments(i64, i64),
    Texts(String, String),
}

impl<W: Write + Send> TableFile<W> {
    pub fn new(columns: SchemaRef, to: W) -> Result<Self, ParquetError> {
        let writer = ArrowWriter::try_new(to, Arc::clone(&columns), Some(properties(&columns)?))?;
        let seen = vec![Seen::default(); columns.fields().len()];
        Ok(Self { writer, columns, rows: 0, seen })
    }

    pub fn write(&mut self, rows: &RecordBatch) -> Result<(), ParquetError> {
        self.writer.write(rows)?;
        self.rows += rows.num_rows();
        for ((seen, field), column) in self.seen.iter_mut().zip(self.columns.fields()).zip(rows.columns()) {
            seen.nulls += column.null_count();
            if CHOSEN_BY.contains(&field.name().as_str()) {
                seen.bounds = wider(seen.bounds.take(), bounds(column));
            }
        }
        Ok(())
    }

    /// Where the file was written to, whole now, and what it holds.
    pub fn finish(self) -> Result<(W, Summary), ParquetError> {
        let (mut min, mut max, mut nulls) = (Map::new(), Map::new(), Map::new());
        for (field, seen) in self.columns.fields().iter().zip(self.seen) {
            nulls.insert(field.name().clone(), json!(seen.nulls));
            let (lower, upper) = seen.bounds.map_or((None, None), rounded);
            min.extend(lower.map(|bound| (field.name().clone(), bound)));
            max.extend(upper.map(|bound| (field.name().clone(), bound)));
        }
        let stats = json!({ "numRecords": self.rows, "minValues": min, "maxValues": max, "nullCount": nulls });
        Ok((self.writer.into_inner()?, Summary { rows: self.rows as u64, stats: stats.to_string() }))
    }
}

/// The rows as a newer layout has them: what an older file lacks is null.
pub fn widen(rows: &RecordBatch, layout: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = layout.fields().iter().map(|field| match rows.column_by_name(field.name()) {
        Some(column) => Arc::clone(column),
        None => new_null_array(field.data_type(), rows.num_rows()),
    });
    RecordBatch::try_new(Arc::clone(layout), columns.collect())
}

fn properties(columns: &Schema) -> Result<WriterProperties, ParquetError> {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_max_row_group_row_count(Some(ROWS_IN_GROUP))
        .set_max_row_group_bytes(Some(BYTES_IN_GROUP))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_created_by("cdp".to_owned());
    for column in NEARLY_UNIQUE.map(ColumnPath::from) {
        properties = properties.set_column_dictionary_enabled(column, false);
    }
    for column in CHOSEN_BY.map(ColumnPath::from) {
        properties = properties.set_column_statistics_enabled(column, EnabledStatistics::Chunk);
    }
    // Moments of a stream lie close together: their differences take less time and room than any dictionary.
    let moments = columns.fields().iter().filter(|field| matches!(field.data_type(), DataType::Timestamp(_, _)));
    for column in moments.map(|field| ColumnPath::from(field.name().as_str())) {
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    Ok(properties.build())
}

fn bounds(column: &ArrayRef) -> Option<Bounds> {
    match column.data_type() {
        DataType::Timestamp(_, _) => {
            let column = column.as_primitive_opt::<TimestampMicrosecondType>()?;
            Some(Bounds::Moments(compute::min(column)?, compute::max(column)?))
        }
        DataType::Utf8 => {
            let column = column.as_string_opt::<i32>()?;
            Some(Bounds::Texts(compute::min_string(column)?.to_owned(), compute::max_string(column)?.to_owned()))
        }
        _ => None,
    }
}

fn wider(one: Option<Bounds>, other: Option<Bounds>) -> Option<Bounds> {
    match (one, other) {
        (Some(Bounds::Moments(a, b)), Some(Bounds::Moments(c, d))) => Some(Bounds::Moments(a.min(c), b.max(d))),
        (Some(Bounds::Texts(a, b)), Some(Bounds::Texts(c, d))) => Some(Bounds::Texts(a.min(c), b.max(d))),
        (one, other) => one.or(other),
    }
}

/// As Delta writes them: never narrower than the values.
fn rounded(bounds: Bounds) -> (Option<Value>, Option<Value>) {
    match bounds {
        Bounds::Moments(first, last) => {
            let text = |ms| Some(json!(Timestamp::from_ms(ms).to_string()));
            (text(first.div_euclid(1000)), text(last.saturating_add(999).div_euclid(1000)))
        }
        Bounds::Texts(first, last) => (Some(json!(prefix(&first).0)), upper_bound(&last).map(Value::from)),
    }
}

/// The first characters of a text, and the one that was cut off.
fn prefix(text: &str) -> (&str, Option<char>) {
    match text.char_indices().nth(BOUND_CHARS) {
        Some((at, cut)) => (&text[..at], Some(cut)),
        None => (text, None),
    }
}

/// A short text that no text with this beginning is above.
fn upper_bound(text: &str) -> Option<String> {
    match prefix(text) {
        (whole, None) => Some(whole.to_owned()),
        (_, Some(char::MAX)) => None,
        (start, Some(cut)) => {
            let above = if cut < '\u{7f}' { '\u{7f}' } else { char::MAX };
            Some(format!("{start}{above}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{ProfileRow, ProfileRows};
    use arrow::array::BinaryArray;
    use cdp_event::{Offset, PartitionId};
    use cdp_identity::ProfileId;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::file::metadata::RowGroupMetaData;

    fn rows(moments: &[Option<i64>]) -> RecordBatch {
        let mut rows = ProfileRows::default();
        for (number, last_seen) in moments.iter().enumerate() {
            let row = ProfileRow {
                profile: ProfileId::from_bytes([number as u8; 16]),
                revision: number as i64,
                merged_into: None,
                first_seen: None,
                last_seen: last_seen.map(Timestamp::from_ms),
                events: 1,
                traits: "{}",
                identifiers: "[]",
                counts: "{}",
                members: "[]",
                written_at: Timestamp::from_ms(5),
            };
            rows.push(&PartitionId::new("p"), Offset::default(), &row);
        }
        rows.finish().expect("columns of one length")
    }

    fn stats(summary: &Summary) -> Value {
        serde_json::from_str(&summary.stats).expect("JSON")
    }

    #[test]
    fn a_file_holds_the_rows_that_went_in() {
        let rows = rows(&[Some(1), None, Some(3)]);
        let encoded = encode(&rows).expect("sound rows");
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(encoded.bytes)).expect("Parquet");
        let read: Vec<RecordBatch> = reader.build().expect("readable").collect::<Result<_, _>>().expect("readable");
        assert_eq!(read, [rows]);
    }

    const ROW_BYTES: i64 = 1 << 20;

    /// Large rows that don't compress.
    fn noise(rows: usize) -> RecordBatch {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let rows: Vec<Vec<u8>> = (0..rows).map(|_| (0..ROW_BYTES).map(|_| next()).collect()).collect();
        let column: ArrayRef = Arc::new(BinaryArray::from_iter_values(rows));
        RecordBatch::try_from_iter([("bytes", column)]).expect("one column")
    }

    /// Of a file that the batch was written to so many times.
    fn groups(batch: &RecordBatch, times: usize) -> Vec<RowGroupMetaData> {
        let mut file = TableFile::new(batch.schema(), Vec::new()).expect("a layout");
        (0..times).for_each(|_| file.write(batch).expect("sound rows"));
        let bytes = bytes::Bytes::from(file.finish().expect("sound rows").0);
        ParquetRecordBatchReaderBuilder::try_new(bytes).expect("Parquet").metadata().row_groups().to_vec()
    }

    #[test]
    fn a_group_of_large_rows_ends_by_its_bytes() {
        let sizes: Vec<i64> = groups(&noise(10), 10).iter().map(RowGroupMetaData::compressed_size).collect();
        let most = BYTES_IN_GROUP as i64 + ROW_BYTES;
        assert!(sizes.len() == 2 && sizes.iter().all(|bytes| *bytes <= most), "{sizes:?}");
    }

    #[test]
    fn a_group_of_usual_rows_ends_by_their_number() {
        let batch = rows(&[Some(1); 1024]);
        let sizes: Vec<i64> = groups(&batch, ROWS_IN_GROUP / 1024 + 1).iter().map(RowGroupMetaData::num_rows).collect();
        assert_eq!(sizes, [ROWS_IN_GROUP as i64, 1024]);
    }

    #[test]
    fn every_column_is_compressed_by_zstd() {
        let encoded = encode(&rows(&[Some(1), None])).expect("sound rows");
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(encoded.bytes)).expect("Parquet");
        let groups = reader.metadata().row_groups();
        let columns: Vec<_> = groups.iter().flat_map(|group| group.columns()).collect();
        assert!(!columns.is_empty());
        for column in columns {
            assert!(matches!(column.compression(), Compression::ZSTD(_)), "{}", column.column_path());
        }
    }

    #[test]
    fn statistics_bound_what_queries_choose_by() {
        let stats = stats(&encode(&rows(&[Some(2000), None, Some(-1)])).expect("sound rows").summary);
        assert_eq!(stats["numRecords"], 3);
        assert_eq!(stats["minValues"]["last_seen"], "1969-12-31T23:59:59.999Z");
        assert_eq!(stats["maxValues"]["last_seen"], "1970-01-01T00:00:02.000Z");
        assert_eq!((&stats["nullCount"]["last_seen"], &stats["nullCount"]["first_seen"]), (&json!(1), &json!(3)));
        assert_eq!(stats["minValues"].get("identifiers"), None);
    }

    #[test]
    fn batches_of_a_file_have_the_statistics_of_one_batch() {
        let parts = [rows(&[Some(1000)]), rows(&[None]), rows(&[Some(-5), Some(7)])];
        let mut file = TableFile::new(parts[0].schema(), Vec::new()).expect("a layout");
        parts.iter().for_each(|part| file.write(part).expect("sound rows"));
        let whole = compute::concat_batches(&parts[0].schema(), &parts).expect("one layout");
        assert_eq!(file.finish().expect("sound rows").1, encode(&whole).expect("sound rows").summary);
    }

    #[test]
    fn bounds_of_text_are_short_and_still_bounds() {
        let long = |end: &str| format!("{}{end}", "é".repeat(BOUND_CHARS));
        for (text, lower, upper) in [
            ("short".to_owned(), "short".to_owned(), Some("short".to_owned())),
            (long(""), long(""), Some(long(""))),
            (long("ab"), long(""), Some(long("\u{7f}"))),
            (long("\u{7f}"), long(""), Some(long("\u{10ffff}"))),
            (long("€"), long(""), Some(long("\u{10ffff}"))),
            (long("\u{10ffff}z"), long(""), None),
        ] {
            assert_eq!((prefix(&text).0, upper_bound(&text)), (lower.as_str(), upper.clone()), "{text}");
            assert!(lower <= text && upper.is_none_or(|upper| text <= upper), "{text}");
        }
    }
}
