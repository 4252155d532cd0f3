//! One dropped file: open, named by its content, and watched for changes while it is read.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What tells a changed file from an unchanged one without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub bytes: u64,
    pub modified_ns: i64,
    /// When anything about the file changed last; no program can set it.
    pub changed_ns: i64,
}

pub(crate) struct DropFile {
    pub file: File,
    pub stamp: Stamp,
}

impl Stamp {
    pub fn of(metadata: &Metadata) -> Self {
        let ns = |seconds: i64, ns: i64| seconds.saturating_mul(1_000_000_000).saturating_add(ns);
        Self {
            bytes: metadata.len(),
            modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl DropFile {
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let stamp = Stamp::of(&file.metadata()?);
        Ok(Self { file, stamp })
    }

    /// The name of the content: 128 bits of its SHA-256, in hexadecimal.
    pub fn hash(&mut self) -> io::Result<String> {
        self.file.rewind()?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 256 << 10];
        loop {
            match self.file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => hasher.update(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.file.rewind()?;
        Ok(hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }

    /// Whether somebody writes into it after all. A new name or mode is no change of what is read.
    pub fn has_changed(&self) -> io::Result<bool> {
        let now = Stamp::of(&self.file.metadata()?);
        Ok((now.bytes, now.modified_ns) != (self.stamp.bytes, self.stamp.modified_ns))
    }
}
