//! The log's actions about files, in the kernel's terms and in ours.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Fields, Schema};
use cdp_lake::layout;
use cdp_ports::DataFile;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::engine_data::FilteredEngineData;
use delta_kernel::scan::ScanMetadata;
use delta_kernel::scan::state::ScanFile;
use delta_kernel::{EngineData, KernelError, KernelResult};
use serde_json::{Value, json};

use crate::DeltaError;

/// A file that a version of a table consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveFile {
    /// Relative to the table's folder.
    pub path: String,
    /// The partition value: `2026-01-31`.
    pub date: String,
    pub bytes: u64,
    pub rows: u64,
    /// Delta's `stats`, JSON text.
    pub stats: String,
}

pub(crate) fn active_files(found: &ScanMetadata) -> Result<Vec<ActiveFile>, DeltaError> {
    let files = found.visit_scan_files(Vec::new(), keep)?;
    let stats = texts(&found.scan_files, "stats")?;
    let is_selected = choose(&found.scan_files, |_| true)?;
    let stats = (0..stats.len()).filter(|at| is_selected[*at]).map(|at| stats.is_valid(at).then(|| stats.value(at)));
    let with_stats =
        |(file, stats): (ActiveFile, Option<&str>)| ActiveFile { stats: stats.unwrap_or("").to_owned(), ..file };
    Ok(files.into_iter().zip(stats).map(with_stats).collect())
}

fn keep(files: &mut Vec<ActiveFile>, file: ScanFile) {
    let date = file.partition_values.get(layout::DATE).cloned().unwrap_or_default();
    let rows = file.stats.map_or(0, |stats| stats.num_records);
    let bytes = u64::try_from(file.size).unwrap_or(0);
    files.push(ActiveFile { path: file.path, date, bytes, rows, stats: String::new() });
}

/// Which files of scan metadata are active and wanted.
pub(crate) fn choose(found: &FilteredEngineData, is_wanted: impl Fn(&str) -> bool) -> KernelResult<Vec<bool>> {
    let paths = texts(found, "path")?;
    let active = found.selection_vector();
    // A selection may end early: what follows is selected.
    let is_active = |at: usize| active.get(at).copied().unwrap_or(true);
    Ok((0..paths.len()).map(|at| is_active(at) && paths.is_valid(at) && is_wanted(paths.value(at))).collect())
}

fn texts<'a>(found: &'a FilteredEngineData, column: &str) -> KernelResult<&'a StringArray> {
    let data = found.data().any_ref().downcast_ref::<ArrowEngineData>();
    let column = data.and_then(|data| data.record_batch().column_by_name(column)?.as_string_opt::<i32>());
    column.ok_or_else(|| KernelError::generic("scan metadata is of another form than this release expects"))
}

/// Add actions. By way of JSON, since each file may have bounds for other columns.
pub(crate) fn additions(table: &Schema, files: &[DataFile]) -> Result<Box<dyn EngineData>, DeltaError> {
    let action = |file: &DataFile| {
        let stats: Value =
            serde_json::from_str(&file.stats).map_err(|error| DeltaError::Stats(file.path.clone(), error))?;
        Ok(json!({
            "path": file.path,
            "partitionValues": { layout::DATE: file.date },
            "size": file.bytes,
            "modificationTime": file.written_at_ms,
            "stats": stats,
        }))
    };
    let lines = files.iter().map(action).collect::<Result<Vec<Value>, DeltaError>>()?;
    let schema = Arc::new(additions_schema(table));
    let mut decoder =
        arrow::json::ReaderBuilder::new(Arc::clone(&schema)).with_batch_size(files.len().max(1)).build_decoder()?;
    decoder.serialize(&lines)?;
    let batch = decoder.flush()?.unwrap_or_else(|| RecordBatch::new_empty(schema));
    Ok(Box::new(ArrowEngineData::new(batch)))
}

fn additions_schema(table: &Schema) -> Schema {
    let is_bounded = |f: &&Arc<Field>| matches!(f.data_type(), DataType::Utf8 | DataType::Timestamp(_, _));
    let data = || table.fields().iter().filter(|field| field.name() != layout::DATE);
    let bounds: Fields = data().filter(is_bounded).map(|f| Arc::new(f.as_ref().clone().with_nullable(true))).collect();
    let nulls: Fields = data().map(|f| Arc::new(Field::new(f.name(), DataType::Int64, true))).collect();
    let stats = Fields::from(vec![
        Field::new("numRecords", DataType::Int64, true),
        Field::new("nullCount", DataType::Struct(nulls), true),
        Field::new("minValues", DataType::Struct(bounds.clone()), true),
        Field::new("maxValues", DataType::Struct(bounds), true),
    ]);
    let entry = Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, true)]);
    let entries = Field::new("key_value", DataType::Struct(entry), false);
    Schema::new(vec![
        Field::new("path", DataType::Utf8, false),
        Field::new("partitionValues", DataType::Map(Arc::new(entries), false), false),
        Field::new("size", DataType::Int64, false),
        Field::new("modificationTime", DataType::Int64, false),
        Field::new("stats", DataType::Struct(stats), true),
    ])
}
