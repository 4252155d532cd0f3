//! What can go wrong with the folder.

use std::io;
use std::path::{Path, PathBuf};

use cdp_ports::{FaultKind, PortError};

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("the log in {0} is in use by another process; stop that one, or choose another folder")]
    InUse(PathBuf),
    #[error("a log has 1 to 10000 shards, not {0}")]
    BadShardCount(usize),
    #[error(
        "the log in {dir} has {stored} shards and is asked to have {asked}; set the number back, or begin with an empty \
         folder: the shards of a log can't be changed"
    )]
    OtherShards { dir: PathBuf, stored: usize, asked: usize },
    #[error("{} is damaged at byte {offset}: {what}; restore the folder from a backup", file.display())]
    Damaged { file: PathBuf, offset: u64, what: String },
    #[error("can't {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

impl LogError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn damaged(file: &Path, offset: u64, what: impl Into<String>) -> Self {
        Self::Damaged { file: file.to_owned(), offset, what: what.into() }
    }

    pub(crate) fn at_port(self, action: String) -> PortError {
        PortError::because(FaultKind::Broken, action, self)
    }
}
