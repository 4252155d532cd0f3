//! Files that are whole and on the disk before anybody sees them, or not there.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use cdp_event::Timestamp;

use crate::place::unix_ms;

/// Ends the names of files that are being written. A crash leaves them behind; the sweep takes them away.
pub(crate) const UNFINISHED: &str = "tmp";

/// What becomes of a file that has the name already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    Replace,
    /// The new one is refused: `AlreadyExists`.
    Keep,
}

/// A file under a name that nobody looks for, until it is published.
pub(crate) struct NewFile {
    file: File,
    staged: PathBuf,
    path: PathBuf,
}

impl NewFile {
    pub fn create(path: &Path) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let folder = path.parent().unwrap_or(Path::new("."));
        create_folder(folder)?;
        // Other processes write to the same folders.
        let unique = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let staged = folder.join(format!(".{name}.{unique}.{UNFINISHED}"));
        Ok(Self { file: File::create(&staged)?, staged, path: path.to_owned() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Answers how many bytes there are.
    pub fn publish(self, existing: Existing) -> io::Result<u64> {
        self.file.sync_all()?;
        let bytes = self.file.metadata()?.len();
        match existing {
            Existing::Replace => fs::rename(&self.staged, &self.path)?,
            Existing::Keep => fs::hard_link(&self.staged, &self.path)?,
        }
        sync_folder(self.path.parent().unwrap_or(Path::new(".")))?;
        Ok(bytes)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.staged);
    }
}

pub(crate) fn write<'a>(path: &Path, parts: impl Iterator<Item = &'a [u8]>, existing: Existing) -> io::Result<()> {
    let mut file = NewFile::create(path)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.publish(existing).map(drop)
}

/// Names in `folder`, and whether each is a folder. None where there is no folder.
pub(crate) fn entries(folder: &Path) -> io::Result<Vec<(String, bool)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(error),
    };
    let named = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), entry.file_type()?.is_dir()))
    };
    entries.map(named).collect()
}

/// Deletes a file, or finds it deleted. Answers whether it was there.
pub(crate) fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// When a file was last written. `None`: somebody took it away.
pub(crate) fn written_at(path: &Path) -> io::Result<Option<Timestamp>> {
    match fs::metadata(path).and_then(|file| file.modified()) {
        Ok(modified) => Ok(Some(Timestamp::from_ms(unix_ms(modified)))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A folder is an entry of its parent: it lasts when the parent is on the disk too.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_folder(parent)?;
    match fs::create_dir(folder) {
        Ok(()) => sync_folder(parent),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
