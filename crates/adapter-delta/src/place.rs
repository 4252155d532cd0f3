//! Where a table stands: a folder, or a bucket. What both promise; all else in this crate is the same for both.
//!
//! Paths are relative to the table's root, as its log has them.

use std::fs::File;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use cdp_event::Timestamp;
use object_store::path::Path;
use url::Url;

use crate::DeltaError;

pub(crate) trait Place: Send + Sync {
    /// The table's root, as the kernel names it. Ends with a slash.
    fn url(&self) -> &Url;

    /// A file's name in the lake's store.
    fn object(&self, path: &str) -> Result<Path, DeltaError>;

    /// Begins a file that nobody sees before it is published.
    fn begin(&self, path: &str) -> Result<Box<dyn Draft>, DeltaError>;

    /// A file's bytes, to be read in any order.
    fn read(&self, path: &str) -> Result<File, DeltaError>;

    /// All files below a folder (`""`: the root). None where there is no folder.
    fn list(&self, folder: &str) -> Result<Vec<Listed>, DeltaError>;

    /// Deletes files, or finds them deleted. Answers how many there were, as far as the place can tell.
    fn remove(&self, paths: &[String]) -> Result<u64, DeltaError>;
}

/// A file in the making. Dropped, it is gone.
pub(crate) trait Draft: Write + Send {
    /// The file is whole and lasts, once answered. It replaces one of the same name. Answers how many bytes there are.
    fn publish(self: Box<Self>) -> Result<u64, DeltaError>;
}

#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub path: String,
    /// Not before the last write, by the place's own clock.
    pub written: Timestamp,
}

/// The time that files and log entries are stamped with. Decides nothing: that is the caller's clock's part.
pub(crate) fn now_ms() -> i64 {
    unix_ms(SystemTime::now())
}

pub(crate) fn unix_ms(moment: SystemTime) -> i64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
