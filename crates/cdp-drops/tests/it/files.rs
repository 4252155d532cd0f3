//! Files for tests, and what their rows come to, in a form that reads well in a table of cases.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use bytes::Bytes;
use cdp_drops::{Batch, BatchLimits, DropSettings, Ending, OpenError, Rows};
use cdp_event::{RawEvent, Timestamp, validate};
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

pub const SOURCE: &str = "partner";

pub fn settings(toml: &str) -> DropSettings {
    let settings: DropSettings = toml::from_str(toml).expect("settings are TOML");
    settings.check().expect("settings are sound");
    settings
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("memory")
}

pub fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    std::fs::create_dir_all(folder).expect("a folder");
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("a file");
    path
}

/// Rows of orders, `rows` of them, in groups of `group`.
pub fn orders_parquet(rows: usize, group: usize) -> Vec<u8> {
    let ids: Vec<String> = (1..=rows).map(|n| format!("u{n}")).collect();
    let amounts: Vec<f64> = (1..=rows).map(|n| n as f64 + 0.5).collect();
    let times: Vec<i64> = (1..=rows).map(|n| 1_700_000_000_000 + n as i64).collect();
    let columns: [(&str, ArrayRef); 3] = [
        ("customer", Arc::new(StringArray::from(ids))),
        ("amount", Arc::new(Float64Array::from(amounts))),
        ("at", Arc::new(TimestampMillisecondArray::from(times))),
    ];
    parquet_of(&RecordBatch::try_from_iter(columns).expect("columns of one length"), group)
}

pub fn parquet_of(batch: &RecordBatch, group: usize) -> Vec<u8> {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("a schema");
    writer.write(batch).expect("memory");
    writer.into_inner().expect("memory")
}

pub fn open(name: &str, bytes: &[u8], settings: &DropSettings) -> Result<Rows, OpenError> {
    Rows::open(Arc::new(Bytes::copy_from_slice(bytes)), name, SOURCE, settings)
}

/// What rows are and how they ended: an accepted row is its event JSON, a refused one is its reason.
pub fn read(name: &str, bytes: &[u8], settings: &DropSettings) -> Read {
    let mut rows = match open(name, bytes, settings) {
        Ok(rows) => rows,
        Err(error) => return Read { rows: vec![], ending: format!("unreadable: {error}"), encoding: "" },
    };
    let (mut batch, mut all) = (Batch::default(), vec![]);
    while rows.ending().is_none() {
        batch.clear();
        rows.fill(&mut batch, BatchLimits { rows: 7, bytes: 1 << 20 }, None).expect("the device is fine");
        all.extend(told(&batch));
    }
    let ending = match rows.ending() {
        Some(Ending::Complete) | None => "complete".to_owned(),
        Some(Ending::CutOff { detail }) => format!("cut off: {detail}"),
    };
    Read { rows: all, ending, encoding: rows.encoding() }
}

/// The event JSON that stands in each place, such as `2.0`.
pub fn events_by_place(name: &str, bytes: &[u8], settings: &DropSettings) -> BTreeMap<String, String> {
    let mut rows = open(name, bytes, settings).expect("it can be read");
    let mut batch = Batch::default();
    rows.fill(&mut batch, BatchLimits::default(), None).expect("the device is fine");
    let decoded = batch.decoded(SOURCE, Timestamp::default()).into_iter();
    let text = |raw: RawEvent<'_>| String::from_utf8_lossy(raw.bytes).into_owned();
    decoded.filter_map(|one| Some((one.offset.to_string(), text(one.event.ok()?)))).collect()
}

pub struct Read {
    pub rows: Vec<String>,
    pub ending: String,
    pub encoding: &'static str,
}

pub fn told(batch: &Batch) -> Vec<String> {
    let decoded = batch.decoded(SOURCE, Timestamp::from_ms(1_800_000_000_000));
    let one = |decoded: cdp_event::Decoded<'_>| {
        let place = decoded.offset.to_string();
        let event = decoded.event.map(|raw| (String::from_utf8_lossy(raw.bytes).into_owned(), validate(&raw)));
        match event {
            Ok((json, Ok(_))) => json,
            Ok((_, Err(rejection))) | Err(rejection) => {
                let field = rejection.field.map(|field| format!("{field}: ")).unwrap_or_default();
                format!("{place} {}: {field}{}", rejection.reason.as_str(), rejection.detail)
            }
        }
    };
    decoded.into_iter().map(one).collect()
}
