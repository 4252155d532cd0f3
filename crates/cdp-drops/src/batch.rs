//! Rows that were read and are not taken in yet: one buffer, and where in it each row stands.

use std::borrow::Cow;
use std::ops::Range;

use cdp_event::{Decoded, Envelope, FileRow, Offset, RawEvent, Rejection, Sequence, Timestamp};

/// A batch is full when it has so many rows or so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    pub rows: usize,
    pub bytes: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { rows: 10_000, bytes: 8 << 20 }
    }
}

#[derive(Debug, Default)]
pub struct Batch {
    buffer: Vec<u8>,
    rows: Vec<Row>,
    /// What is kept with a refused row of a file, by how many events it came to.
    envelopes: [Vec<u8>; 3],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// From 1.
    pub number: u64,
    /// As it came, in the batch's buffer.
    raw: Range<usize>,
    outcome: Result<RowEvents, Rejection>,
}

/// The event JSON of a row, in the batch's buffer. A row that tells of a person and of what the person did is two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowEvents {
    pub first: Range<usize>,
    pub second: Option<Range<usize>>,
}

impl RowEvents {
    pub(crate) const fn one(event: Range<usize>) -> Self {
        Self { first: event, second: None }
    }
}

impl Batch {
    /// Of a file; `row` tells how its rows are read again.
    pub(crate) fn of_file(source: &str, first_seen: Timestamp, row: &FileRow) -> Self {
        let envelope = |events| {
            let row = Some(FileRow { events, ..row.clone() });
            Envelope { row, ..Envelope::new(source.to_owned(), first_seen) }.wrap(b"")
        };
        Self { envelopes: [0, 1, 2].map(envelope), ..Self::default() }
    }

    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub fn last_number(&self) -> Option<u64> {
        self.rows.last().map(|row| row.number)
    }

    pub fn raw(&self, row: &Row) -> &[u8] {
        self.slice(&row.raw)
    }

    pub fn is_full(&self, limits: BatchLimits) -> bool {
        self.rows.len() >= limits.rows || self.buffer.len() >= limits.bytes
    }

    /// Keeps the memory.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.rows.clear();
    }

    /// What ingest takes: each row's events, in order; a refused row with its bytes.
    pub fn decoded<'a>(&'a self, source: &'a str, arrived_at: Timestamp) -> Vec<Decoded<'a>> {
        let mut decoded = Vec::with_capacity(self.rows.len());
        let [of_none, of_one, of_two] = &self.envelopes;
        for row in &self.rows {
            let envelope = match &row.outcome {
                Err(_) => of_none,
                Ok(RowEvents { second: None, .. }) => of_one,
                Ok(RowEvents { second: Some(_), .. }) => of_two,
            };
            let of_row = |sub: u32, event: Result<&Range<usize>, Rejection>| {
                let offset = Offset::new(Sequence::from(row.number), sub);
                let event = event.map(|event| RawEvent::plain(offset, source, arrived_at, self.slice(event)));
                Decoded {
                    offset,
                    arrived_at,
                    source: Cow::Borrowed(source),
                    envelope,
                    bytes: self.slice(&row.raw),
                    event,
                }
            };
            match &row.outcome {
                Ok(RowEvents { first, second }) => {
                    decoded.push(of_row(0, Ok(first)));
                    decoded.extend(second.as_ref().map(|second| of_row(1, Ok(second))));
                }
                Err(rejection) => decoded.push(of_row(0, Err(rejection.clone()))),
            }
        }
        decoded
    }

    fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.buffer.get(range.clone()).unwrap_or_default()
    }

    /// A row whose bytes are its event.
    pub(crate) fn push_event(&mut self, number: u64, raw: &[u8]) {
        let raw = self.keep(raw);
        self.rows.push(Row { number, outcome: Ok(RowEvents::one(raw.clone())), raw });
    }

    /// A row whose events `write` appends to the buffer it is given. What it wrote before a rejection is forgotten.
    pub(crate) fn push_mapped(
        &mut self,
        number: u64,
        raw: &[u8],
        write: impl FnOnce(&mut Vec<u8>) -> Result<RowEvents, Rejection>,
    ) {
        let raw = self.keep(raw);
        let outcome = write(&mut self.buffer);
        if outcome.is_err() {
            self.buffer.truncate(raw.end);
        }
        self.rows.push(Row { number, raw, outcome });
    }

    pub fn push_refused(&mut self, number: u64, raw: &[u8], rejection: Rejection) {
        let raw = self.keep(raw);
        self.rows.push(Row { number, raw, outcome: Err(rejection) });
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        start..self.buffer.len()
    }
}
