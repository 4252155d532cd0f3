use std::path::Path;
use std::pin::pin;

use arrow::array::Array;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use cdp_local::Deployment;
use clap::Args;
use futures::TryStreamExt;
use serde_json::{Number, Value};

use super::{Dir, wait_for};
use crate::fault::Fault;
use crate::output::{Format, Printer};

/// Asks the tables, in SQL.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cdp query --dir shop \"select event, count(*) as n from events group by event order by n desc\"\n\n\
    Tables: events, quarantine, identity, profiles. Views: people, canonical.\n\
    JSON text: json_get_str(properties, 'cart.id'), json_get_float, json_get_int."
)]
pub struct Query {
    /// One SELECT.
    statement: String,
    #[command(flatten)]
    at: Dir,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Query {
    pub fn run(self) -> Result<(), Fault> {
        print(&self.at.dir, &self.statement, self.format)
    }
}

/// Prints the rows of a statement as they are found.
pub fn print(dir: &Path, statement: &str, format: Format) -> Result<(), Fault> {
    let deployment = Deployment::open(dir)?;
    wait_for(async {
        let lake = deployment.tables().map_err(Fault::unavailable)?;
        let (schema, batches) = lake.stream(statement).await.map_err(Fault::wrong)?;
        let mut batches = pin!(batches);
        // A statement that fails before its first row prints nothing.
        let mut next = batches.try_next().await.map_err(Fault::wrong)?;
        let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
        let mut printer = Printer::to_stdout(columns, format)?;
        while let Some(batch) = next {
            for row in rows(&batch).map_err(Fault::unavailable)? {
                printer.row(&row)?;
            }
            next = batches.try_next().await.map_err(Fault::wrong)?;
        }
        Ok(printer.finish()?)
    })
}

/// Numbers that JSON has and booleans stay what they are; everything else is text.
fn rows(batch: &RecordBatch) -> Result<impl Iterator<Item = Vec<Value>>, ArrowError> {
    const OPTIONS: FormatOptions<'_> = FormatOptions::new().with_null("");
    let columns = batch.columns().iter().map(|column| Ok((column, ArrayFormatter::try_new(column, &OPTIONS)?)));
    let columns = columns.collect::<Result<Vec<_>, ArrowError>>()?;
    let cell = |column: &dyn Array, formatter: &ArrayFormatter<'_>, at: usize| {
        let text = formatter.value(at).to_string();
        match column.data_type() {
            _ if column.is_null(at) => Value::Null,
            kind if kind.is_integer() || kind.is_floating() => {
                text.parse::<Number>().map_or(Value::String(text), Value::Number)
            }
            DataType::Boolean => Value::Bool(text == "true"),
            _ => Value::String(text),
        }
    };
    let row = move |at| columns.iter().map(|(column, formatter)| cell(column, formatter, at)).collect();
    Ok((0..batch.num_rows()).map(row))
}
