//! CSV and its kin: a delimiter, quotes, newlines in quotes, and rows that don't keep to it.
//!
//! A row that can't be read is the line that it begins on: what comes after is read as if it had not been there, so that a
//! quote that is never closed costs one line, not the rest of the file.

mod dialect;
mod fields;

use std::collections::HashSet;
use std::io;
use std::ops::Range;

use cdp_event::{Reason, Rejection};

use self::dialect::{lone_newline, sniff};
use self::fields::{Fields, Parsed, Rest};
use super::{Fault, ReadRows, Step, too_long};
use crate::batch::Batch;
use crate::mapping::{Cell, Cells, Plan, RowName, guess};
use crate::settings::{CsvSettings, Delimiter, DropSettings};
use crate::window::{MAX_ROW_BYTES, Window, head_of};

/// How much is looked at to tell the delimiter.
const SAMPLE: usize = 64 << 10;

/// As wide as Excel's sheets. A header beyond is no header, and would cost more memory than any row.
const MAX_COLUMNS: usize = 16_384;

pub(super) struct CsvRows {
    lines: Lines,
    source: String,
    plan: Plan,
}

/// Rows as fields.
struct Lines {
    window: Window,
    delimiter: Delimiter,
    newline: u8,
    /// Of the row that was come to.
    fields: Fields,
    row: Line,
    /// The row's bytes with its newline, to be consumed when the next one is asked for.
    length: usize,
    breaks: Break,
}

/// Where a row was found broken, in bytes from what is unread, and what is wrong there.
///
/// A row that begins before that place, and is in quotes at its own line's end, was gone through already as a part of that
/// one: outside of quotes the line's end would have been the row's. So it is broken there too, and is not gone through
/// again: else each line of a file could cost as much as the longest row.
#[derive(Default)]
struct Break {
    ahead: usize,
    problem: &'static str,
}

impl Break {
    /// The farthest stays: a line that is broken at once says nothing of the lines behind it.
    fn found(&mut self, at: usize, problem: &'static str) -> &'static str {
        if at > self.ahead {
            *self = Self { ahead: at, problem };
        }
        problem
    }
}

enum Line {
    /// So many bytes.
    Whole(usize),
    /// So many bytes, and what is wrong with them.
    Broken(usize, &'static str),
    /// The head of a line that was passed over.
    TooLong(Vec<u8>),
}

impl CsvRows {
    pub fn open(mut window: Window, source: &str, settings: &DropSettings) -> Result<Self, Fault> {
        window.look_ahead(SAMPLE)?;
        let sample = window.unread().get(..SAMPLE).unwrap_or(window.unread());
        let newline = if sample.contains(&b'\n') { b'\n' } else { lone_newline(sample) };
        let delimiter = settings.csv.delimiter.unwrap_or_else(|| sniff(sample, newline));
        let is_empty = window.unread().is_empty() && window.cut().is_none();
        let (fields, row, breaks) = (Fields::default(), Line::Whole(0), Break::default());
        let mut lines = Lines { window, delimiter, newline, fields, row, length: 0, breaks };
        let columns = lines.columns(&settings.csv)?;
        let plan = match &settings.mapping {
            // A file without a single row has no columns to be missed.
            Some(mapping) => Plan::bind(mapping, columns, is_empty),
            None if is_empty => Plan::bind(&Default::default(), columns, true),
            None => guess(columns),
        };
        Ok(Self { lines, source: source.to_owned(), plan: plan.map_err(Fault::Content)? })
    }
}

impl ReadRows for CsvRows {
    fn advance(&mut self) -> io::Result<Step> {
        self.lines.advance()
    }

    fn emit(&mut self, number: u64, batch: &mut Batch) {
        let (length, problem) = match &self.lines.row {
            Line::Whole(length) => (*length, None),
            Line::Broken(length, problem) => (*length, Some((*problem).to_owned())),
            Line::TooLong(head) => {
                let (head, rejection) = too_long(head);
                return batch.push_refused(number, &head, rejection);
            }
        };
        let raw = self.lines.window.unread().get(..length).unwrap_or_default();
        let (found, expected) = (self.lines.fields.ranges.len(), self.plan.columns().len());
        let fields = if found == 1 { "field" } else { "fields" };
        let ragged = || (found != expected).then(|| format!("the row has {found} {fields}, not {expected}"));
        if let Some(problem) = problem.or_else(ragged) {
            return batch.push_refused(number, raw, Rejection::new(Reason::BadRow, problem));
        }
        let text = if self.lines.fields.unquoted.is_empty() { raw } else { &self.lines.fields.unquoted };
        match simdutf8::compat::from_utf8(text) {
            Ok(text) => {
                let cells = TextCells { text, ranges: &self.lines.fields.ranges };
                let row = RowName { source: &self.source, number, raw };
                batch.push_mapped(number, raw, |out| self.plan.write(row, &cells, out));
            }
            Err(_) => {
                let at = simdutf8::compat::from_utf8(raw).map_or_else(|error| error.valid_up_to(), str::len);
                let detail = format!("byte {at} is not UTF-8; set the source's `encoding` if the file is not");
                batch.push_refused(number, raw, Rejection::new(Reason::NotUtf8, detail));
            }
        }
    }

    fn encoding(&self) -> &'static str {
        self.lines.window.encoding()
    }

    fn columns(&self) -> Option<(&[String], Delimiter)> {
        Some((self.plan.columns(), self.lines.delimiter))
    }
}

struct TextCells<'r> {
    text: &'r str,
    ranges: &'r [Range<usize>],
}

impl Cells for TextCells<'_> {
    fn get(&self, column: usize) -> Cell<'_> {
        let text = self.ranges.get(column).and_then(|range| self.text.get(range.clone()));
        text.map_or(Cell::Absent, Cell::Text)
    }
}

impl Lines {
    /// The columns' names; consumes the header row, if there is one.
    fn columns(&mut self, settings: &CsvSettings) -> Result<Vec<String>, Fault> {
        let mut header = vec![];
        if settings.has_header() {
            match self.advance()? {
                Step::Row => header = self.names()?,
                Step::End => {}
                Step::CutOff { detail, .. } => {
                    return Err(Fault::Content(format!("it ends in its header row: {detail}")));
                }
            }
        }
        Ok(settings.columns.clone().unwrap_or(header))
    }

    fn names(&self) -> Result<Vec<String>, Fault> {
        let length = match &self.row {
            Line::Whole(length) => *length,
            Line::Broken(_, problem) => return Err(Fault::Content(format!("its header row can't be read: {problem}"))),
            Line::TooLong(_) => return Err(Fault::Content("its first row is too long to be a header".to_owned())),
        };
        let columns = self.fields.ranges.len();
        if columns > MAX_COLUMNS {
            let detail = format!("its header row has {columns} columns, and a file may have {MAX_COLUMNS}");
            return Err(Fault::Content(detail));
        }
        let raw = self.window.unread().get(..length).unwrap_or_default();
        let text = if self.fields.unquoted.is_empty() { raw } else { &self.fields.unquoted };
        let mut names: Vec<String> = Vec::with_capacity(columns);
        let mut known = HashSet::with_capacity(columns);
        for (at, range) in self.fields.ranges.iter().enumerate() {
            let name = String::from_utf8_lossy(text.get(range.clone()).unwrap_or_default()).trim().to_owned();
            let name = if name.is_empty() { format!("column_{}", at + 1) } else { name };
            let name = if known.contains(&name) { format!("{name}_{}", at + 1) } else { name };
            known.insert(name.clone());
            names.push(name);
        }
        Ok(names)
    }

    fn consume(&mut self, bytes: usize) {
        self.window.consume(bytes);
        self.breaks.ahead = self.breaks.ahead.saturating_sub(bytes);
    }

    fn advance(&mut self) -> io::Result<Step> {
        let length = std::mem::take(&mut self.length);
        self.consume(length);
        let mut searched = 0;
        loop {
            let unread = self.window.unread();
            let newline =
                memchr::memchr(self.newline, unread.get(searched..).unwrap_or_default()).map(|at| searched + at);
            searched = unread.len();
            let line = match newline {
                Some(at) if at > MAX_ROW_BYTES => {
                    self.row = Line::TooLong(head_of(unread));
                    self.consume(at + 1);
                    return Ok(Step::Row);
                }
                Some(at) => unread.get(..at).unwrap_or_default(),
                None if searched > MAX_ROW_BYTES => {
                    self.row = Line::TooLong(head_of(unread));
                    self.breaks = Break::default();
                    self.window.pass(self.newline)?;
                    return Ok(Step::Row);
                }
                None if !self.window.is_last() => {
                    self.window.more()?;
                    continue;
                }
                None if let Some(detail) = self.window.cut() => {
                    return Ok(Step::CutOff { detail: detail.to_owned(), rest: head_of(unread) });
                }
                None if unread.is_empty() => return Ok(Step::End),
                None => unread,
            };
            let after = line.len() + usize::from(newline.is_some());
            if line.trim_ascii().is_empty() {
                self.consume(after);
                searched = 0;
                continue;
            }
            let text = line.strip_suffix(b"\r").unwrap_or(line);
            match self.delimiter {
                Delimiter::Whitespace => self.fields.split_at_blanks(text),
                Delimiter::Byte(delimiter) if memchr::memchr(b'"', text).is_none() => {
                    self.fields.split(text, delimiter);
                }
                Delimiter::Byte(delimiter) => {
                    let (line_length, text_length) = (after, text.len());
                    return self.advance_quoted(delimiter, line_length, text_length);
                }
            }
            self.row = Line::Whole(text.len());
            self.length = after;
            return Ok(Step::Row);
        }
    }

    /// A row that begins on a line of `line_length` bytes, `text_length` without its end, and has a quote in it.
    fn advance_quoted(&mut self, delimiter: u8, line_length: usize, text_length: usize) -> io::Result<Step> {
        let mut seen = line_length;
        let problem = loop {
            let unread = self.window.unread();
            let within = unread.len().min(MAX_ROW_BYTES + 1);
            let is_all = seen == unread.len() && self.window.is_last() && self.window.cut().is_none();
            let rest = if is_all { Rest::None } else { Rest::Unseen };
            match self.fields.parse(unread.get(..seen).unwrap_or(unread), delimiter, self.newline, rest) {
                Parsed::Row { length, after } => {
                    self.row = Line::Whole(length);
                    self.length = after;
                    return Ok(Step::Row);
                }
                Parsed::Broken { at, problem } => break self.breaks.found(at, problem),
                Parsed::Open if seen == line_length && line_length < self.breaks.ahead => break self.breaks.problem,
                Parsed::Open if seen < within => seen = within,
                Parsed::Open if seen > MAX_ROW_BYTES || self.window.is_last() => {
                    if let (Some(detail), true) = (self.window.cut(), seen <= MAX_ROW_BYTES) {
                        return Ok(Step::CutOff { detail: detail.to_owned(), rest: head_of(unread) });
                    }
                    break self.breaks.found(seen, "a quote is not closed");
                }
                // Twice as much each time, though the file may come in crumbs: what was gone through is gone through again.
                Parsed::Open => self.window.look_ahead((2 * seen).min(MAX_ROW_BYTES + 1))?,
            }
        };
        self.row = Line::Broken(text_length, problem);
        self.length = line_length;
        Ok(Step::Row)
    }
}
