//! Drops: files become events, row by row, in bounded memory, each row once.
//!
//! A file ([`Dropped`]) is told by its content (`format`), read as rows (`rows`), its rows made into events by the source's
//! [`Mapping`], and taken in (`intake`) in batches, each of which may be the last before a kill. What became of the file
//! stands beside it (`report`).
//!
//! Reading and mapping are pure: bytes in, rows out. Only `file` and `watch` know that a file may lie in a folder, `address`
//! that it may lie in a bucket.

mod content;
mod dropped;

mod address;
mod file;
mod watch;

mod settings;

mod format;
mod text;
mod window;

mod rows;

mod mapping;

mod batch;

mod intake;
mod names;
mod report;

pub use address::{Address, DropBox};
pub use batch::{Batch, BatchLimits, Row};
pub use content::Content;
pub use dropped::{Dropped, PassedOver, REPORTS_FOLDER, Stamp, is_passed_over, why_passed_over};
pub use file::{FileContent, LocalFile};
pub use format::{Compression, Format};
pub use intake::{DropSource, Intake, IntakeError, Progress};
pub use mapping::{Columns, Mapping, MappingError, Stated, TimeColumn, ValueType};
pub use names::{NotDroppable, check_droppable, names_for};
pub use report::{Example, FileReport, Status};
pub use rows::{Ending, JsonShape, Layout, OpenError, Rows, again, member};
pub use settings::{CsvSettings, Delimiter, DropSettings, SettingsError};
pub use watch::Watch;
