//! Athena tells every value as text, beside the columns' types. Here they become columns of their kind.

use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use aws_sdk_athena::types::{Datum, ResultSet};
use cdp_ports::{FaultKind, PortError, PortResult};

const ACTION: &str = "read the rows of a statement";

/// Of the first page; the others have the same.
pub(crate) fn columns(page: &ResultSet) -> SchemaRef {
    let told = page.result_set_metadata().map(|told| told.column_info()).unwrap_or_default();
    let columns = told.iter().map(|column| Field::new(column.name(), kind(column.r#type()), true));
    Arc::new(Schema::new(columns.collect::<Fields>()))
}

/// What has no kind here that keeps it exact (decimals, moments, lists) stays as Athena writes it.
fn kind(name: &str) -> DataType {
    match name {
        "boolean" => DataType::Boolean,
        "tinyint" | "smallint" | "integer" | "int" | "bigint" => DataType::Int64,
        "float" | "real" | "double" => DataType::Float64,
        _ => DataType::Utf8,
    }
}

pub(crate) fn batch(columns: &SchemaRef, page: &ResultSet) -> PortResult<RecordBatch> {
    let arrays = columns.fields().iter().enumerate().map(|(at, column)| {
        let cells = page.rows().iter().map(|row| row.data().get(at).and_then(Datum::var_char_value));
        array(column, cells)
    });
    let count = RecordBatchOptions::new().with_row_count(Some(page.rows().len()));
    let batch = RecordBatch::try_new_with_options(Arc::clone(columns), arrays.collect::<PortResult<_>>()?, &count);
    batch.map_err(|error| PortError::because(FaultKind::Broken, ACTION, error))
}

fn array<'c>(column: &Field, cells: impl Iterator<Item = Option<&'c str>>) -> PortResult<ArrayRef> {
    Ok(match column.data_type() {
        DataType::Boolean => Arc::new(read::<bool>(column, cells)?.into_iter().collect::<BooleanArray>()),
        DataType::Int64 => Arc::new(read::<i64>(column, cells)?.into_iter().collect::<Int64Array>()),
        DataType::Float64 => Arc::new(read::<f64>(column, cells)?.into_iter().collect::<Float64Array>()),
        _ => Arc::new(cells.collect::<StringArray>()),
    })
}

fn read<'c, T: FromStr>(column: &Field, cells: impl Iterator<Item = Option<&'c str>>) -> PortResult<Vec<Option<T>>> {
    let unexpected = |text: &str| {
        let why = format!("{}: {text:?} is no {}", column.name(), column.data_type());
        PortError::because(FaultKind::Broken, ACTION, why)
    };
    cells.map(|cell| cell.map(|text| text.parse().map_err(|_| unexpected(text))).transpose()).collect()
}

#[cfg(test)]
mod tests {
    use arrow::util::display::array_value_to_string;
    use aws_sdk_athena::types::{ColumnInfo, ResultSetMetadata, Row};

    use super::*;

    fn page(kind: &str, cells: &[Option<&str>]) -> ResultSet {
        let column = ColumnInfo::builder().name("c").r#type(kind).build().expect("whole");
        let datum = |cell: &Option<&str>| Datum::builder().set_var_char_value(cell.map(str::to_owned)).build();
        let rows = cells.iter().map(|cell| Row::builder().data(datum(cell)).build()).collect();
        let told = ResultSetMetadata::builder().column_info(column).build();
        ResultSet::builder().set_rows(Some(rows)).result_set_metadata(told).build()
    }

    #[test]
    fn each_type_of_athena_becomes_a_kind_or_stays_text() {
        for (name, text, kind, shown) in [
            ("tinyint", "-7", DataType::Int64, "-7"),
            ("bigint", "9007199254740993", DataType::Int64, "9007199254740993"),
            ("double", "1.0E10", DataType::Float64, "10000000000.0"),
            ("double", "Infinity", DataType::Float64, "inf"),
            ("float", "0.1", DataType::Float64, "0.1"),
            ("boolean", "true", DataType::Boolean, "true"),
            ("decimal", "10.20", DataType::Utf8, "10.20"),
            ("timestamp with time zone", "2026-01-31 09:00:00.000 UTC", DataType::Utf8, "2026-01-31 09:00:00.000 UTC"),
            ("varbinary", "ff 00", DataType::Utf8, "ff 00"),
        ] {
            let page = page(name, &[Some(text), None]);
            let columns = columns(&page);
            let batch = batch(&columns, &page).expect(name);
            assert_eq!(columns.field(0).data_type(), &kind, "{name}");
            assert_eq!(array_value_to_string(batch.column(0), 0).expect("text"), shown, "{name}");
            assert_eq!(batch.column(0).null_count(), 1, "{name}");
        }
    }

    #[test]
    fn a_value_that_is_not_of_its_columns_type_is_named() {
        let page = page("bigint", &[Some("seven")]);
        let error = batch(&columns(&page), &page).expect_err("it is no number");
        assert!(error.to_string().contains("c: \"seven\" is no Int64"), "{error}");
    }
}
