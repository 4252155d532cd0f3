use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use cdp_local::{Deployment, Query as Lake};
use clap::Args;
use serde_json::{Number, Value};

use super::{Dir, wait_for};
use crate::fault::Fault;
use crate::output::{Format, Rows};

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
        let deployment = Deployment::open(&self.at.dir)?;
        let (schema, batches) = wait_for(async {
            let lake = Lake::open(&deployment.lake()).map_err(Fault::unavailable)?;
            lake.sql(&self.statement).await.map_err(Fault::wrong)
        })?;
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let mut rows = Rows::new(&names);
        for batch in &batches {
            push(&mut rows, batch).map_err(Fault::unavailable)?;
        }
        Ok(rows.print(self.format)?)
    }
}

/// Numbers and booleans stay what they are; everything else is text.
pub fn push(rows: &mut Rows, batch: &RecordBatch) -> Result<(), arrow::error::ArrowError> {
    let options = FormatOptions::default().with_null("");
    let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    for at in 0..batch.num_rows() {
        let cells = batch.columns().iter().zip(&columns).map(|(column, formatter)| {
            let text = formatter.value(at).to_string();
            match column.data_type() {
                _ if column.is_null(at) => Value::Null,
                kind if kind.is_numeric() => text.parse::<Number>().map_or(Value::String(text), Value::Number),
                arrow::datatypes::DataType::Boolean => Value::Bool(text == "true"),
                _ => Value::String(text),
            }
        });
        rows.push(cells.collect::<Vec<_>>());
    }
    Ok(())
}
