//! Files on their way into a deployment: into the folder of a source, or into the drop bucket.

mod bucket;
mod folder;

use std::fmt::Display;
use std::path::Path;

use cdp_local::FileReport;

use crate::fault::Fault;
use crate::progress::Reading;

pub use bucket::Bucket;
pub use folder::Folder;

pub trait Drops {
    /// The source of that name; without one, the only one, where that is known.
    fn source(&self, name: Option<&str>) -> Result<String, Fault>;

    /// A name that another content has gets a number; a file that is there already stays.
    fn place<'d>(&'d self, source: &'d str, file: &Path) -> Result<Box<dyn Dropped + 'd>, Fault>;
}

/// A file that is where the deployment finds it. Shows where.
pub trait Dropped: Display {
    /// The report that was there already when it was dropped: of the same file, dropped earlier.
    fn earlier(&self) -> Option<&FileReport>;

    /// Until it is taken in.
    fn follow(&self, bar: &Reading) -> Result<FileReport, Fault>;
}

fn show(report: &FileReport, bar: &Reading) {
    bar.tell(report.rows, report.read_bytes.map(|read| (read, report.bytes())));
}
