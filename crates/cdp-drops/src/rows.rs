//! Rows of a file, one after the other, whatever the file is.

mod again;
mod csv;
mod json;
mod json_array;
mod json_lines;
mod parquet;

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cdp_event::{FileRow, Reason, Rejection};

use self::csv::CsvRows;
use self::json_array::JsonArrayRows;
use self::json_lines::JsonLineRows;
use self::parquet::ParquetRows;
use crate::batch::{Batch, BatchLimits};
use crate::content::{Content, Counted, Placed, is_of_the_place};
use crate::file::FileContent;
use crate::format::{Compression, Format, detect};
use crate::settings::{Delimiter, DropSettings};
use crate::text::{Assumed, Text};
use crate::window::{Window, head_of};

pub use self::again::again;
pub use self::json::{JsonShape, member};

/// Columns' names beyond are not kept with each refused row: a file may have a million of them.
const MAX_KEPT_COLUMNS_BYTES: usize = 2 << 10;

/// How much is read to tell what a file is.
const HEAD_BYTES: usize = 4 << 10;

/// What a file was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub format: Format,
    pub compression: Compression,
}

/// How a file's rows ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    Complete,
    /// The file ends early, or can't be read further. The row that this befell is the last one, and is refused.
    CutOff {
        detail: String,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It may pass; try again.
    #[error("{0}")]
    Device(#[from] io::Error),
    /// The content can't be read as rows, and never will be with these settings.
    #[error("{detail}")]
    Unreadable { detail: String, head: Vec<u8>, layout: Option<Layout> },
}

/// The rows of a file, read in order, as batches of events.
pub struct Rows {
    reader: Box<dyn ReadRows>,
    layout: Layout,
    /// The number of the last row that was read.
    number: u64,
    /// Of the content: how many there are, and how many were read in order.
    length: u64,
    read: Arc<AtomicU64>,
    ending: Option<Ending>,
}

/// A format's reader. Knows rows, not their numbers.
trait ReadRows: Send {
    /// Comes to the next row. An error is a fault of the device.
    fn advance(&mut self) -> io::Result<Step>;

    /// Appends the row that `advance` came to.
    fn emit(&mut self, number: u64, batch: &mut Batch);

    /// Passes over `rows` rows; answers how many there were.
    fn skip(&mut self, rows: u64) -> io::Result<u64> {
        for skipped in 0..rows {
            match self.advance()? {
                Step::Row => {}
                Step::End | Step::CutOff { .. } => return Ok(skipped),
            }
        }
        Ok(rows)
    }

    fn encoding(&self) -> &'static str;

    /// Of CSV: the columns' names, and what separates fields.
    fn columns(&self) -> Option<(&[String], Delimiter)> {
        None
    }

    /// Where that is known beforehand.
    fn rows_in_all(&self) -> Option<u64> {
        None
    }
}

enum Step {
    Row,
    End,
    CutOff { detail: String, rest: Vec<u8> },
}

impl Rows {
    /// `name` helps to tell the format.
    pub fn open(
        content: Arc<dyn Content>,
        name: &str,
        source: &str,
        settings: &DropSettings,
    ) -> Result<Self, OpenError> {
        let head = read_head(&content)?;
        let compression = Compression::of(&head);
        let unreadable = |detail: String, layout| OpenError::Unreadable { detail, head: head.clone(), layout };
        let (inflated_head, fault) = inflate_head(&content, compression)?;
        if let (Some(fault), true) = (fault, inflated_head.is_empty()) {
            return Err(unreadable(format!("it can't be inflated ({}): {fault}", compression.as_str()), None));
        }
        let format = detect(name, &as_utf8(inflated_head, settings), settings);
        let layout = Layout { format: format.map_err(|detail| unreadable(detail, None))?, compression };
        let (length, read) = (content.length(), Arc::default());
        let reader = Self::reader(content, &read, layout.clone(), source, settings);
        let reader = reader.map_err(|fault| match fault {
            Fault::Device(error) => OpenError::Device(error),
            Fault::Content(detail) => unreadable(detail, Some(layout.clone())),
        })?;
        Ok(Self { reader, layout, number: 0, length, read, ending: None })
    }

    fn reader(
        content: Arc<dyn Content>,
        read: &Arc<AtomicU64>,
        layout: Layout,
        source: &str,
        settings: &DropSettings,
    ) -> Result<Box<dyn ReadRows>, Fault> {
        let Layout { format, compression } = layout;
        if format == Format::Parquet {
            let content = match compression {
                Compression::None => content,
                Compression::Gzip | Compression::Zstd => Arc::new(spool(compression.reader(content.in_order())?)?),
            };
            return Ok(Box::new(ParquetRows::open(content, source, settings)?));
        }
        let counted = Counted::new(content.in_order(), Arc::clone(read));
        let window = Window::new(Text::new(compression.reader(counted)?, settings.assumed(format)));
        Ok(match format {
            Format::Csv => Box::new(CsvRows::open(window, source, settings)?),
            Format::JsonLines => Box::new(JsonLineRows::new(window, JsonShape::new(source, settings.mapping.as_ref()))),
            Format::JsonArray | Format::Parquet => {
                Box::new(JsonArrayRows::new(window, JsonShape::new(source, settings.mapping.as_ref())))
            }
        })
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What its rows are read by, for [`again`].
    pub(crate) fn file_row(&self) -> FileRow {
        let format = self.layout.format.as_str().to_owned();
        let (columns, delimiter) = match self.reader.columns() {
            Some((names, delimiter)) if names.iter().map(String::len).sum::<usize>() <= MAX_KEPT_COLUMNS_BYTES => {
                (names.to_vec(), delimiter.to_string())
            }
            Some(_) | None => (vec![], String::new()),
        };
        FileRow { format, events: 0, columns, delimiter }
    }

    /// As far as it is known by now; `binary` for Parquet.
    pub fn encoding(&self) -> &'static str {
        self.reader.encoding()
    }

    /// The number of the last row that was read; rows are numbered from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How much of the content is read by now: of Parquet, which is not read in order, its share by rows.
    pub fn read_bytes(&self) -> u64 {
        let Some(all) = self.reader.rows_in_all() else { return self.read.load(Ordering::Relaxed) };
        let share = u128::from(self.length) * u128::from(self.number) / u128::from(all.max(1));
        u64::try_from(share).unwrap_or(u64::MAX).min(self.length)
    }

    /// Once the rows have ended.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// Passes over rows that were taken in earlier.
    pub fn skip(&mut self, rows: u64) -> io::Result<()> {
        self.number += self.reader.skip(rows)?;
        Ok(())
    }

    /// Appends rows to `batch` until it is full, the row `through` is in it, or the rows end.
    pub fn fill(&mut self, batch: &mut Batch, limits: BatchLimits, through: Option<u64>) -> io::Result<()> {
        while self.ending.is_none() && !batch.is_full(limits) && through.is_none_or(|through| self.number < through) {
            match self.reader.advance()? {
                Step::Row => {
                    self.number += 1;
                    self.reader.emit(self.number, batch);
                }
                Step::End => self.ending = Some(Ending::Complete),
                Step::CutOff { detail, rest } => {
                    self.number += 1;
                    let rejection = Rejection::new(Reason::BadRow, format!("the file is cut off here: {detail}"));
                    batch.push_refused(self.number, &rest, rejection);
                    self.ending = Some(Ending::CutOff { detail });
                }
            }
        }
        Ok(())
    }
}

/// Why a reader can't be had.
enum Fault {
    Device(io::Error),
    Content(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        if is_of_the_place(&error) { Self::Device(error) } else { Self::Content(error.to_string()) }
    }
}

fn read_head(content: &Arc<dyn Content>) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    Placed::new(content.clone(), 0).take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// The content's first bytes, and why there are no more, if that is a fault of the content.
fn inflate_head(content: &Arc<dyn Content>, compression: Compression) -> io::Result<(Vec<u8>, Option<io::Error>)> {
    let mut head = Vec::new();
    let from_the_start = compression.reader(Placed::new(content.clone(), 0));
    let outcome = from_the_start.and_then(|reader| reader.take(HEAD_BYTES as u64).read_to_end(&mut head));
    match outcome {
        Ok(_) => Ok((head, None)),
        Err(error) if is_of_the_place(&error) => Err(error),
        Err(error) => Ok((head, Some(error))),
    }
}

/// For a look at it: text of another encoding is not taken for something binary.
fn as_utf8(head: Vec<u8>, settings: &DropSettings) -> Vec<u8> {
    let assumed = match settings.assumed(Format::JsonLines) {
        Assumed::Encoding(encoding) => Assumed::Encoding(encoding),
        Assumed::Utf8Or(_) => Assumed::Utf8Or(None),
    };
    let mut text = Vec::new();
    match Text::new(Box::new(io::Cursor::new(head.clone())), assumed).read_to_end(&mut text) {
        Ok(_) => text,
        Err(_) => head,
    }
}

/// Parquet is read from its end, so a compressed one is inflated first, into a file that has no name.
fn spool(mut inflated: impl Read) -> Result<FileContent, Fault> {
    const MOST: u64 = 64 << 30;
    let mut file = tempfile::tempfile()?;
    let copied = io::copy(&mut (&mut inflated).take(MOST), &mut file)?;
    if copied == MOST {
        return Err(Fault::Content("it inflates to more than 64 GiB; drop the Parquet file as it is".to_owned()));
    }
    Ok(FileContent::new(file)?)
}

/// A row that is longer than a row may be.
fn too_long(head: &[u8]) -> (Vec<u8>, Rejection) {
    let most = crate::window::MAX_ROW_BYTES;
    (head_of(head), Rejection::new(Reason::TooLarge, format!("the row has more than {most} bytes")))
}
