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
mod secrets;
mod settings;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adapter_delta::DeltaLake;
use cdp_identity::Rules;
use cdp_query::{Query, QueryError};

pub use init::{Created, init};
pub use lock::{Lock, Running};
pub use secrets::Secrets;
pub use settings::{IngestLimits, Settings};

pub const SETTINGS_FILE: &str = "cdp.toml";
pub const SECRETS_FILE: &str = "secrets.toml";

#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    #[error("{} is no deployment: it has no cdp.toml; make one with `cdp init {}`", .0.display(), .0.display())]
    NoDeployment(PathBuf),
    #[error("{} is a deployment already; its files were left alone", .0.display())]
    AlreadyThere(PathBuf),
    #[error("{}: {source}; the user who runs cdp has to be able to read and write it", .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: {source}", .path.display())]
    Syntax { path: PathBuf, source: Box<toml::de::Error> },
    #[error("{file}: {key}: {problem}; {remedy}")]
    Setting { file: &'static str, key: String, problem: String, remedy: String },
    #[error("{} may be read by others; run `chmod 600 {}`", .0.display(), .0.display())]
    OpenSecrets(PathBuf),
    #[error("{} is run by process {pid} at {address}; stop that one first", .dir.display())]
    InUse { dir: PathBuf, address: String, pid: u32 },
    #[error("{} is in use by another cdp; wait for it, or stop it", .0.display())]
    Locked(PathBuf),
}

/// A folder whose files were read and found sound.
#[derive(Debug)]
pub struct Deployment {
    root: PathBuf,
    pub settings: Settings,
    pub secrets: Secrets,
    pub rules: Rules,
}

impl Deployment {
    pub fn open(root: &Path) -> Result<Self, DeploymentError> {
        let settings_path = root.join(SETTINGS_FILE);
        if !settings_path.exists() {
            return Err(DeploymentError::NoDeployment(root.to_owned()));
        }
        let settings = Settings::read(&settings_path)?;
        let rules = settings.identity.rules()?;
        let secrets = Secrets::read(&root.join(SECRETS_FILE))?;
        secrets.match_sources(&settings)?;
        Ok(Self { root: root.to_owned(), settings, secrets, rules })
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
        let lake = DeltaLake::open(&root).map_err(|error| QueryError::Lake(root.clone(), error))?;
        Ok(Query::over(Arc::new(lake), &root))
    }

    /// Where files of a drop source appear.
    pub fn drop_folder(&self, source: &str) -> PathBuf {
        self.root.join("drops").join(source)
    }
}

fn read_text(path: &Path) -> Result<String, DeploymentError> {
    std::fs::read_to_string(path).map_err(|source| DeploymentError::Io { path: path.to_owned(), source })
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, DeploymentError> {
    toml::from_str(&read_text(path)?)
        .map_err(|source| DeploymentError::Syntax { path: path.to_owned(), source: Box::new(source) })
}

/// Names of sources and of the stream show up in paths, tables and URLs.
fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}
