//! What a command prints, as a table for people, CSV for spreadsheets, JSON for programs. Rows are printed as they come,
//! so an answer may be larger than memory.

mod sheet;

use std::io::{self, BufWriter, StdoutLock, Write};

use clap::ValueEnum;
use serde::Serializer as _;
use serde_json::{Map, Value};

use self::sheet::Sheet;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people; on a terminal that is too narrow, a line for each field. A long answer has its header again after each
    /// 1000 rows.
    #[default]
    Table,
    Csv,
    /// An array with an object on each line.
    Json,
}

/// Prints rows of named columns, one after the other. A cell is what JSON can say.
pub struct Printer<W: Write> {
    columns: Vec<String>,
    rows: usize,
    form: Form<W>,
}

enum Form<W: Write> {
    Table(Sheet, W),
    Csv(Box<csv::Writer<W>>),
    Json(W),
}

impl Printer<BufWriter<StdoutLock<'static>>> {
    pub fn to_stdout(columns: Vec<String>, format: Format) -> io::Result<Self> {
        let width = console::Term::stdout().size_checked().map(|(_, columns)| columns);
        Self::begin(columns, format, width, BufWriter::new(io::stdout().lock()))
    }
}

impl<W: Write> Printer<W> {
    /// `width`: of the terminal, when it is one.
    fn begin(columns: Vec<String>, format: Format, width: Option<u16>, mut out: W) -> io::Result<Self> {
        let form = match format {
            Format::Table => Form::Table(Sheet::new(columns.clone(), width), out),
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                writer.write_record(&columns).map_err(io_error)?;
                Form::Csv(Box::new(writer))
            }
            Format::Json => {
                write!(out, "[")?;
                Form::Json(out)
            }
        };
        Ok(Self { columns, rows: 0, form })
    }

    pub fn row(&mut self, cells: &[Value]) -> io::Result<()> {
        let is_first = self.rows == 0;
        self.rows += 1;
        match &mut self.form {
            Form::Table(sheet, out) => {
                sheet.push(cells.iter().map(text).map(harmless).collect());
                if sheet.is_full() { sheet.print(out) } else { Ok(()) }
            }
            Form::Csv(writer) => writer.write_record(cells.iter().map(text)).map_err(io_error),
            Form::Json(out) => {
                out.write_all(if is_first { b"\n" } else { b",\n" })?;
                // Written here, because a map of `serde_json` would sort the columns by name.
                let mut object = serde_json::Serializer::new(out);
                Ok(object.collect_map(self.columns.iter().zip(cells))?)
            }
        }
    }

    pub fn finish(self) -> io::Result<()> {
        match self.form {
            Form::Table(mut sheet, mut out) => {
                if self.rows == 0 || !sheet.is_empty() {
                    sheet.print(&mut out)?;
                }
                out.flush()
            }
            Form::Csv(mut writer) => writer.flush(),
            Form::Json(mut out) => {
                writeln!(out, "\n]")?;
                out.flush()
            }
        }
    }
}

/// As it was: whether somebody still reads is told by its kind.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Without what steers a terminal, or turns the direction of its text: cells are what producers sent.
pub fn harmless(text: String) -> String {
    let steers = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(steers) {
        return text;
    }
    let mut told = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if steers(c) { told.extend(c.escape_default()) } else { told.push(c) }
    }
    told
}

/// Few rows, all of them known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
}

impl Rows {
    pub fn new(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(|&column| column.to_owned()).collect(), rows: vec![] }
    }

    pub fn push(&mut self, row: impl IntoIterator<Item = Value>) {
        self.rows.push(row.into_iter().collect());
    }

    pub fn print(&self, format: Format) -> io::Result<()> {
        let mut printer = Printer::to_stdout(self.columns.clone(), format)?;
        self.rows.iter().try_for_each(|row| printer.row(row))?;
        printer.finish()
    }
}

/// One thing rather than rows: a line for each of its fields, or the object as it is.
pub fn print_object(object: &Map<String, Value>, format: Format) -> io::Result<()> {
    if format == Format::Json {
        let mut out = io::stdout().lock();
        return writeln!(out, "{:#}", Value::Object(object.clone()));
    }
    let mut rows = Rows::new(&["field", "value"]);
    for (field, value) in object {
        rows.push([field.as_str().into(), value.clone()]);
    }
    rows.print(format)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(format: Format, rows: &[[Value; 2]]) -> String {
        let mut out = vec![];
        let mut printer =
            Printer::begin(vec!["name".into(), "b".into()], format, None, &mut out).expect("memory takes it");
        rows.iter().for_each(|row| printer.row(row).expect("memory takes it"));
        printer.finish().expect("memory takes it");
        String::from_utf8(out).expect("text")
    }

    fn sample() -> [[Value; 2]; 2] {
        [[json!("a,b"), json!(1)], [json!(null), json!({"x": "y"})]]
    }

    #[test]
    fn csv_quotes_what_needs_quotes() {
        assert_eq!(written(Format::Csv, &sample()), "name,b\n\"a,b\",1\n,\"{\"\"x\"\":\"\"y\"\"}\"\n");
        assert_eq!(written(Format::Csv, &[]), "name,b\n");
    }

    #[test]
    fn json_is_one_array_whose_objects_keep_the_order_of_columns() {
        let text = written(Format::Json, &sample());
        assert_eq!(text, "[\n{\"name\":\"a,b\",\"b\":1},\n{\"name\":null,\"b\":{\"x\":\"y\"}}\n]\n");
        let read: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read, json!([{"name": "a,b", "b": 1}, {"name": null, "b": {"x": "y"}}]));
        assert_eq!(serde_json::from_str::<Value>(&written(Format::Json, &[])).expect("JSON"), json!([]));
    }

    #[test]
    fn a_table_has_a_line_for_each_row() {
        let table = written(Format::Table, &sample());
        assert!(table.contains("name") && table.contains("a,b"), "{table}");
        assert!(written(Format::Table, &[]).contains("name"));
    }

    #[test]
    fn a_cell_steers_no_terminal() {
        for (cell, told) in [
            ("\u{1b}[31mred\u{7}", "\\u{1b}[31mred\\u{7}"),
            ("a\tb\rc", "a\\tb\\rc"),
            ("\u{202e}gnp", "\\u{202e}gnp"),
            ("José €\nline", "José €\nline"),
        ] {
            assert_eq!(harmless(cell.to_owned()), told);
        }
        assert!(!written(Format::Table, &[[json!("\u{1b}[31m"), json!(null)]]).contains('\u{1b}'));
    }

    #[test]
    fn a_long_answer_is_several_tables() {
        for (rows, headers) in [(1, 1), (1000, 1), (1001, 2), (2000, 2)] {
            let table = written(Format::Table, &vec![[json!("cell"), json!(0)]; rows]);
            assert_eq!((table.matches("cell").count(), table.matches("name").count()), (rows, headers));
        }
    }

    /// Takes a few bytes, as `head` does.
    struct Closing(usize);

    impl Write for Closing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_enough_is_told_from_a_full_disk() {
        for format in [Format::Table, Format::Csv, Format::Json] {
            let mut printer = Printer::begin(vec!["name".into()], format, None, Closing(100)).expect("the header fits");
            let outcome = (0..100_000).try_for_each(|row| printer.row(&[json!(row)]));
            let outcome = outcome.and_then(|()| printer.finish());
            assert_eq!(outcome.expect_err("it is closed").kind(), io::ErrorKind::BrokenPipe, "{format:?}");
        }
    }
}
