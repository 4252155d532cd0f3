use arrow::array::{Array, AsArray, StructArray};
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
    /// How the answer is printed.
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
    let mut count = 0;
    while let Some(batch) = next {
        for row in cells(&batch).map_err(Fault::unavailable)? {
            printer.row(&row)?;
        }
        count += batch.num_rows();
        next = rows.try_next().await.map_err(of_statement)?;
    }
    printer.finish()?;
    // On a narrow terminal a table of no rows is no line at all.
    if count == 0 && format == Format::Table {
        eprintln!("(no rows)");
    }
    if let Some(bytes) = scanned_bytes {
        eprintln!("{} were scanned", HumanBytes(bytes));
    }
    Ok(())
}

fn cells(batch: &RecordBatch) -> Result<impl Iterator<Item = Vec<Value>>, ArrowError> {
    let columns = batch.columns().iter().map(|column| Column::new(column)).collect::<Result<Vec<_>, _>>()?;
    Ok((0..batch.num_rows()).map(move |at| columns.iter().map(|column| column.cell(at)).collect()))
}

/// A column's values as JSON has them: numbers, booleans, lists and objects stay what they are, everything else is text.
enum Column<'a> {
    Plain(&'a dyn Array, ArrayFormatter<'a>),
    /// The elements of all lists, and where each list's are.
    Lists(&'a dyn Array, Box<Column<'a>>, &'a [i32]),
    Objects(&'a StructArray, Vec<(&'a str, Column<'a>)>),
}

impl<'a> Column<'a> {
    fn new(array: &'a dyn Array) -> Result<Self, ArrowError> {
        const OPTIONS: FormatOptions<'_> = FormatOptions::new().with_null("");
        if let Some(lists) = array.as_list_opt::<i32>() {
            return Ok(Self::Lists(array, Box::new(Self::new(lists.values())?), lists.value_offsets()));
        }
        if let Some(objects) = array.as_struct_opt() {
            let fields = objects.fields().iter().zip(objects.columns());
            let fields = fields.map(|(field, column)| Ok((field.name().as_str(), Self::new(column)?)));
            return Ok(Self::Objects(objects, fields.collect::<Result<_, ArrowError>>()?));
        }
        Ok(Self::Plain(array, ArrayFormatter::try_new(array, &OPTIONS)?))
    }

    fn cell(&self, at: usize) -> Value {
        match self {
            Self::Plain(array, formatter) if array.is_valid(at) => {
                plain(array.data_type(), formatter.value(at).to_string())
            }
            Self::Lists(array, elements, offsets) if array.is_valid(at) => {
                let bounds = offsets.get(at).zip(offsets.get(at + 1)).map(|(from, to)| *from as usize..*to as usize);
                Value::Array(bounds.unwrap_or_default().map(|element| elements.cell(element)).collect())
            }
            Self::Objects(array, fields) if array.is_valid(at) => {
                Value::Object(fields.iter().map(|(name, column)| ((*name).to_owned(), column.cell(at))).collect())
            }
            Self::Plain(..) | Self::Lists(..) | Self::Objects(..) => Value::Null,
        }
    }
}

fn plain(kind: &DataType, text: String) -> Value {
    match kind {
        kind if kind.is_integer() || kind.is_floating() => {
            text.parse::<Number>().map_or(Value::String(text), Value::Number)
        }
        DataType::Boolean => Value::Bool(text == "true"),
        // An array of nulls has no bitmap that would tell.
        DataType::Null => Value::Null,
        _ => Value::String(text),
    }
}
