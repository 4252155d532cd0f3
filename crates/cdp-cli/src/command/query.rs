use arrow::array::Array;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use cdp_ports::Answer;
use clap::Args;
use futures::TryStreamExt;
use indicatif::HumanBytes;
use serde_json::{Number, Value};

use super::wait_for;
use crate::at::{At, Engine, of_statement};
use crate::fault::{Fault, INTERRUPTED};
use crate::output::{Format, Printer};

/// Asks the tables, in SQL.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cdp query --dir shop \"select event, count(*) as n from events group by event order by n desc\"\n  \
    cdp query --aws --stage prod \"select count(*) as people from people\"\n\n\
    Tables: events, quarantine, identity, profiles. Views: people, canonical.\n\
    JSON text: json_get_str(properties, 'cart.id'), json_get_float, json_get_int.\n\
    With --aws, Athena runs the statement, in its own SQL; how much it read is told on stderr."
)]
pub struct Query {
    /// One SELECT.
    statement: String,
    #[command(flatten)]
    at: At,
    /// What reads the tables on AWS; without it, Athena.
    #[arg(long, value_enum, requires = "aws")]
    engine: Option<Engine>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Query {
    pub fn run(self) -> Result<(), Fault> {
        wait_for(async {
            let tables = self.at.tables(self.engine).await?;
            let answer = tokio::select! {
                answer = tables.run(&self.statement) => answer?,
                // The statement is dropped here, and so it is stopped.
                _ = tokio::signal::ctrl_c() => return Err(Fault::Interrupted),
            };
            // Nothing is left to stop: from here on Ctrl-C ends the process as if nobody listened.
            tokio::spawn(async {
                if tokio::signal::ctrl_c().await.is_ok() {
                    std::process::exit(INTERRUPTED);
                }
            });
            print(answer, self.format).await
        })
    }
}

/// Prints the rows of a statement as they are found.
pub async fn print(answer: Answer, format: Format) -> Result<(), Fault> {
    let Answer { columns, mut rows, scanned_bytes } = answer;
    // A statement that fails before its first row prints nothing.
    let mut next = rows.try_next().await.map_err(of_statement)?;
    let columns = columns.fields().iter().map(|field| field.name().clone()).collect();
    let mut printer = Printer::to_stdout(columns, format)?;
    while let Some(batch) = next {
        for row in cells(&batch).map_err(Fault::unavailable)? {
            printer.row(&row)?;
        }
        next = rows.try_next().await.map_err(of_statement)?;
    }
    printer.finish()?;
    if let Some(bytes) = scanned_bytes {
        eprintln!("{} were scanned", HumanBytes(bytes));
    }
    Ok(())
}

/// Numbers that JSON has and booleans stay what they are; everything else is text.
fn cells(batch: &RecordBatch) -> Result<impl Iterator<Item = Vec<Value>>, ArrowError> {
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
