//! What a command prints, as a table for people, CSV for spreadsheets, JSON for programs.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Map, Value};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Table,
    Csv,
    Json,
}

/// Rows of named columns. A cell is what JSON can say.
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
        let mut out = io::stdout().lock();
        self.write(format, &mut out)?;
        out.flush()
    }

    fn write(&self, format: Format, out: &mut impl Write) -> io::Result<()> {
        match format {
            Format::Table => self.write_table(out),
            Format::Csv => self.write_csv(out),
            Format::Json => self.write_json(out),
        }
    }

    fn write_table(&self, out: &mut impl Write) -> io::Result<()> {
        let mut table = Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(&self.columns);
        for row in &self.rows {
            table.add_row(row.iter().map(text));
        }
        writeln!(out, "{table}")
    }

    fn write_csv(&self, out: &mut impl Write) -> io::Result<()> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(&self.columns)?;
        for row in &self.rows {
            writer.write_record(row.iter().map(text))?;
        }
        writer.flush()
    }

    /// An array with an object on each line.
    fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "[")?;
        for (at, row) in self.rows.iter().enumerate() {
            let object: Map<String, Value> = self.columns.iter().cloned().zip(row.iter().cloned()).collect();
            let comma = if at + 1 < self.rows.len() { "," } else { "" };
            writeln!(out, "{}{comma}", Value::Object(object))?;
        }
        writeln!(out, "]")
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

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(format: Format) -> String {
        let mut rows = Rows::new(&["name", "n"]);
        rows.push([json!("a,b"), json!(1)]);
        rows.push([json!(null), json!({"x": "y"})]);
        let mut out = vec![];
        rows.write(format, &mut out).expect("memory takes it");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn csv_quotes_what_needs_quotes() {
        assert_eq!(written(Format::Csv), "name,n\n\"a,b\",1\n,\"{\"\"x\"\":\"\"y\"\"}\"\n");
    }

    #[test]
    fn json_is_one_array_that_any_program_reads() {
        let read: Value = serde_json::from_str(&written(Format::Json)).expect("JSON");
        assert_eq!(read, json!([{"name": "a,b", "n": 1}, {"name": null, "n": {"x": "y"}}]));
    }

    #[test]
    fn a_table_has_a_line_for_each_row() {
        let table = written(Format::Table);
        assert!(table.contains("name") && table.contains("a,b"), "{table}");
    }
}
