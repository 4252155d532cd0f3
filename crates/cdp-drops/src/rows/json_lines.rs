//! JSON lines: a row ends at a newline, whatever is in it, so a broken row harms no other.

use std::io;
use std::ops::Range;

use super::json::JsonShape;
use super::{ReadRows, Step, too_long};
use crate::batch::Batch;
use crate::window::{MAX_ROW_BYTES, Window, head_of};

pub(super) struct JsonLineRows {
    window: Window,
    shape: JsonShape,
    row: Line,
    /// The row's bytes with its newline, to be consumed when the next one is asked for.
    length: usize,
}

enum Line {
    Whole(Range<usize>),
    /// The head of a line that was passed over.
    TooLong(Vec<u8>),
}

impl JsonLineRows {
    pub fn new(window: Window, shape: JsonShape) -> Self {
        Self { window, shape, row: Line::Whole(0..0), length: 0 }
    }
}

impl ReadRows for JsonLineRows {
    fn advance(&mut self) -> io::Result<Step> {
        self.window.consume(std::mem::take(&mut self.length));
        let mut searched = 0;
        loop {
            let unread = self.window.unread();
            let newline = memchr::memchr(b'\n', unread.get(searched..).unwrap_or_default()).map(|at| searched + at);
            searched = unread.len();
            let end = match newline {
                Some(at) if at > MAX_ROW_BYTES => {
                    self.row = Line::TooLong(head_of(unread));
                    self.window.consume(at + 1);
                    return Ok(Step::Row);
                }
                Some(at) => at,
                None if searched > MAX_ROW_BYTES => {
                    self.row = Line::TooLong(head_of(unread));
                    self.window.pass(b'\n')?;
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
                None => unread.len(),
            };
            let line = unread.get(..end).unwrap_or_default();
            let blank_before = line.len() - line.trim_ascii_start().len();
            let row = line.trim_ascii();
            let after = end + usize::from(newline.is_some());
            if row.is_empty() {
                self.window.consume(after);
                searched = 0;
                continue;
            }
            self.row = Line::Whole(blank_before..blank_before + row.len());
            self.length = after;
            return Ok(Step::Row);
        }
    }

    fn emit(&mut self, number: u64, batch: &mut Batch) {
        match &self.row {
            Line::Whole(range) => {
                let raw = self.window.unread().get(range.clone()).unwrap_or_default();
                self.shape.emit(number, raw, batch);
            }
            Line::TooLong(head) => {
                let (head, rejection) = too_long(head);
                batch.push_refused(number, &head, rejection);
            }
        }
    }

    fn encoding(&self) -> &'static str {
        self.window.encoding()
    }
}
