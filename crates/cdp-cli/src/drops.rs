//! Files on their way into a deployment: into the folder of a source, or into the drop bucket.

mod bucket;
mod folder;

use std::fmt::Display;
use std::path::Path;

use cdp_local::FileReport;
use indicatif::ProgressBar;

use crate::fault::Fault;

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
    /// Until it is taken in. The bar counts rows.
    fn follow(&self, bar: &ProgressBar) -> Result<FileReport, Fault>;
}
