//! A deployment is a folder: what it should do (`cdp.toml`), its secrets, and what it keeps.
//!
//! ```text
//! cdp.toml        sources, identity rules, limits        versioned with git
//! secrets.toml    write keys, tokens                     mode 600, never in git
//! drops/SOURCE/   files that appear here are taken in
//! log/            the stream
//! state/          profiles, checkpoints, the outbox
//! lake/           the tables
//! run.json        where `cdp up` listens, while it runs
//! ```
//!
//! Everything is read and checked once, before anything starts.

mod init;
mod lock;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adapter_delta::DeltaLake;
use cdp_deployment::{Config, ConfigError, SETTINGS_FILE};
use cdp_query::{Query, QueryError};

pub use init::{Created, init};
pub use lock::{Lock, Running};

#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    #[error("{} is no deployment: it has no cdp.toml; make one with `cdp init {}`", .0.display(), .0.display())]
    NoDeployment(PathBuf),
    #[error("{} is a deployment already; its files were left alone", .0.display())]
    AlreadyThere(PathBuf),
    #[error("{}: {source}; the user who runs cdp has to be able to read and write it", .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{} is run by process {pid} at {address}; stop that one first", .dir.display())]
    InUse { dir: PathBuf, address: String, pid: u32 },
    #[error("{} is in use by another cdp; wait for it, or stop it", .0.display())]
    Locked(PathBuf),
}

/// A folder whose files were read and found sound.
#[derive(Debug)]
pub struct Deployment {
    root: PathBuf,
    pub config: Config,
}

impl Deployment {
    pub fn open(root: &Path) -> Result<Self, DeploymentError> {
        if !root.join(SETTINGS_FILE).exists() {
            return Err(DeploymentError::NoDeployment(root.to_owned()));
        }
        Ok(Self { root: root.to_owned(), config: Config::read(root)? })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    pub fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    pub fn lake(&self) -> PathBuf {
        self.root.join("lake")
    }

    /// What SQL asks. A deployment that never ran has no tables yet: it gets empty ones, as from its first start.
    pub fn tables(&self) -> Result<Query, QueryError> {
        let root = self.lake();
        if root.exists() {
            return Query::open(&root);
        }
        let lake = DeltaLake::open(&root)?;
        Ok(Query::over(Arc::new(lake)))
    }

    /// Where files of a drop source appear.
    pub fn drop_folder(&self, source: &str) -> PathBuf {
        self.root.join("drops").join(source)
    }
}
