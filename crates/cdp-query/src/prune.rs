//! Which files may hold rows that a filter wants, by what the table's log says of each file.
//!
//! A file is passed over only where its bounds say that no row of it matches. Bounds of text are prefixes and moments are
//! rounded, outwards, so they may keep a file too many. What has no bounds, be it a column or a file, is kept.

use std::collections::HashSet;
use std::sync::Arc;

use adapter_delta::ActiveFile;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use cdp_lake::layout;
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_optimizer::pruning::{PruningPredicateBuilder, PruningStatistics};

/// One answer for each file. `columns`: the table's, with its partition column; `dates`: the files' values of that.
pub(crate) fn may_match(
    filter: &Arc<dyn PhysicalExpr>,
    columns: &SchemaRef,
    files: &[ActiveFile],
    dates: Vec<ScalarValue>,
) -> Result<Vec<bool>> {
    let predicate = PruningPredicateBuilder::new().with_file_schema(Arc::clone(columns)).build(Arc::clone(filter));
    let Some(predicate) = predicate.filter(|_| !files.is_empty()) else { return Ok(vec![true; files.len()]) };
    let wanted = collect_columns(filter);
    let wanted = columns.fields().iter().filter(|field| wanted.iter().any(|column| column.name() == field.name()));
    // Statistics that can't be read exclude nothing.
    let Ok(stats) = stats(files, wanted.cloned().collect()) else { return Ok(vec![true; files.len()]) };
    predicate.prune(&Bounds { dates: ScalarValue::iter_to_array(dates)?, stats })
}

struct Bounds {
    dates: ArrayRef,
    /// Delta's `stats`, a row for each file.
    stats: RecordBatch,
}

fn stats(files: &[ActiveFile], columns: Vec<Arc<Field>>) -> Result<RecordBatch, ArrowError> {
    let in_files = || columns.iter().filter(|field| field.name() != layout::DATE);
    let is_bounded = |field: &&Arc<Field>| matches!(field.data_type(), DataType::Utf8 | DataType::Timestamp(_, _));
    let bounds: Fields = in_files().filter(is_bounded).map(|f| f.as_ref().clone().with_nullable(true)).collect();
    let nulls: Fields = in_files().map(|f| Field::new(f.name(), DataType::UInt64, true)).collect();
    let schema = Schema::new(vec![
        Field::new("numRecords", DataType::UInt64, true),
        Field::new("nullCount", DataType::Struct(nulls), true),
        Field::new("minValues", DataType::Struct(bounds.clone()), true),
        Field::new("maxValues", DataType::Struct(bounds), true),
    ]);
    let mut decoder = ReaderBuilder::new(Arc::new(schema)).with_batch_size(files.len()).build_decoder()?;
    for file in files {
        decoder.decode(if file.stats.is_empty() { b"{}" } else { file.stats.as_bytes() })?;
    }
    let read = decoder.flush()?.filter(|read| read.num_rows() == files.len());
    read.ok_or_else(|| ArrowError::JsonError("not one object for each file".to_owned()))
}

impl Bounds {
    fn of(&self, kind: &str, column: &Column) -> Option<ArrayRef> {
        self.stats.column_by_name(kind)?.as_struct_opt()?.column_by_name(column.name()).cloned()
    }

    fn bound(&self, kind: &str, column: &Column) -> Option<ArrayRef> {
        if column.name() == layout::DATE { Some(Arc::clone(&self.dates)) } else { self.of(kind, column) }
    }
}

impl PruningStatistics for Bounds {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bound("minValues", column)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bound("maxValues", column)
    }

    fn num_containers(&self) -> usize {
        self.dates.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        self.of("nullCount", column)
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        self.stats.column_by_name("numRecords").cloned()
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
