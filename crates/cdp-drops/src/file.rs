//! A dropped file that lies in a folder of this machine.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::content::{Content, Placed};
use crate::dropped::{Dropped, REPORTS_FOLDER, Stamp};
use crate::intake::IntakeError;
use crate::report::FileReport;

pub struct LocalFile {
    path: PathBuf,
    name: String,
    file: File,
    content: Arc<FileContent>,
    stamp: Stamp,
}

impl LocalFile {
    pub fn open(path: &Path) -> Result<Self, IntakeError> {
        let io = |source| IntakeError::Io { place: path.display().to_string(), source };
        let file = File::open(path).map_err(io)?;
        let content = Arc::new(FileContent::new(file.try_clone().map_err(io)?).map_err(io)?);
        let stamp = Stamp::of(&file.metadata().map_err(io)?);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { path: path.to_owned(), name, file, content, stamp })
    }
}

impl Dropped for LocalFile {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    fn content(&self) -> Arc<dyn Content> {
        self.content.clone()
    }

    fn lasting_name(&self) -> Option<String> {
        None
    }

    /// A new name or mode is no change of what is read.
    fn has_changed(&self) -> io::Result<bool> {
        let now = Stamp::of(&self.file.metadata()?);
        Ok((now.bytes, now.modified_ns) != (self.stamp.bytes, self.stamp.modified_ns))
    }

    async fn report(&self) -> io::Result<Option<FileReport>> {
        Ok(FileReport::read(&self.path))
    }

    async fn put_report(&self, report: &FileReport) -> io::Result<()> {
        report.put(&self.path)
    }
}

impl FileReport {
    /// The report of the file at `path`. `None`: there is none that can be read.
    pub fn read(path: &Path) -> Option<Self> {
        Self::from_json(&fs::read(report_path(path)?).ok()?)
    }

    /// Beside the file at `path`, whether that can be opened or not.
    pub fn put(&self, path: &Path) -> io::Result<()> {
        let Some(place) = report_path(path) else { return Ok(()) };
        let unfinished = place.with_extension("json.tmp");
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&unfinished, self.to_json()?)?;
        fs::rename(&unfinished, &place)
    }
}

fn report_path(path: &Path) -> Option<PathBuf> {
    let mut name = OsString::from(path.file_name()?);
    name.push(".json");
    Some(path.parent()?.join(REPORTS_FOLDER).join(name))
}

impl Stamp {
    /// Of the file at `path`.
    pub fn at(path: &Path) -> io::Result<Self> {
        Ok(Self::of(&fs::metadata(path)?))
    }

    pub(crate) fn of(metadata: &Metadata) -> Self {
        let ns = |seconds: i64, ns: i64| seconds.saturating_mul(1_000_000_000).saturating_add(ns);
        Self {
            bytes: metadata.len(),
            modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            // No program can set this one.
            mark: ns(metadata.ctime(), metadata.ctime_nsec()).to_string(),
        }
    }
}

/// What a file holds. Reads do not move it, so its handles may be shared.
pub struct FileContent {
    file: File,
    length: u64,
}

impl FileContent {
    pub fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file, length })
    }
}

impl Content for FileContent {
    fn length(&self) -> u64 {
        self.length
    }

    fn in_order(self: Arc<Self>) -> Box<dyn Read + Send> {
        Box::new(Placed::new(self, 0))
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(into, offset)
    }
}
