//! Rows as people read them: columns side by side where the terminal has the room, else a line for each field.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};

/// Rows whose widths a sheet's columns are made for. A longer answer is several sheets, each with its header.
const ROWS: usize = 1000;
/// So few columns are readable when their cells are broken into lines.
const FEW_COLUMNS: usize = 3;

pub struct Sheet {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Rows of the sheets before.
    printed: usize,
    width: Option<u16>,
}

impl Sheet {
    /// `width`: of the terminal. `None`: there is none, and any width will do.
    pub fn new(columns: Vec<String>, width: Option<u16>) -> Self {
        Self { columns, rows: vec![], printed: 0, width }
    }

    pub fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.rows.len() >= ROWS
    }

    /// Its rows, which it has no more then.
    pub fn print(&mut self, out: &mut impl Write) -> io::Result<()> {
        let mut table = Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY).set_header(&self.columns).add_rows(&self.rows);
        match self.width.filter(|width| is_wider(&table, *width)) {
            None => writeln!(out, "{table}")?,
            Some(width) if self.columns.len() <= FEW_COLUMNS => {
                table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
                writeln!(out, "{table}")?;
            }
            Some(_) => self.print_fields(out)?,
        }
        self.printed += self.rows.len();
        self.rows.clear();
        Ok(())
    }

    fn print_fields(&self, out: &mut impl Write) -> io::Result<()> {
        let longest = self.columns.iter().map(|column| column.chars().count()).max().unwrap_or_default();
        for (row, number) in self.rows.iter().zip(self.printed + 1..) {
            writeln!(out, "── {number} ──")?;
            for (column, cell) in self.columns.iter().zip(row) {
                writeln!(out, "{column:longest$}   {cell}")?;
            }
        }
        Ok(())
    }
}

fn is_wider(table: &Table, width: u16) -> bool {
    table.lines().next().is_some_and(|border| border.chars().count() > usize::from(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(columns: usize, cell: &str, width: Option<u16>) -> String {
        let mut sheet = Sheet::new((0..columns).map(|column| format!("column{column}")).collect(), width);
        (0..2).for_each(|_| sheet.push(vec![cell.to_owned(); columns]));
        let mut out = vec![];
        sheet.print(&mut out).expect("memory takes it");
        assert!(sheet.is_empty());
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_unless_a_cell_is() {
        for (columns, width, is_a_table) in
            [(4, None, true), (4, Some(80), true), (4, Some(40), false), (2, Some(12), true), (9, Some(20), false)]
        {
            let text = printed(columns, "cell", width);
            let widest = text.lines().map(|line| line.chars().count()).max().expect("lines");
            assert!(widest <= usize::from(width.unwrap_or(u16::MAX)), "{columns}, {width:?}:\n{text}");
            assert_eq!(text.contains('│'), is_a_table, "{columns}, {width:?}:\n{text}");
        }
    }

    #[test]
    fn fields_stand_below_each_other_and_rows_are_counted() {
        let mut sheet = Sheet::new(["id", "detail", "reason", "source"].map(str::to_owned).to_vec(), Some(10));
        let mut out = vec![];
        for row in ["a", "b"] {
            sheet.push([row, "", "not_json", "web"].map(str::to_owned).to_vec());
            sheet.print(&mut out).expect("memory takes it");
        }
        let expected = "── 1 ──\nid       a\ndetail   \nreason   not_json\nsource   web\n\
                        ── 2 ──\nid       b\ndetail   \nreason   not_json\nsource   web\n";
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }
}
