//! What can be wrong with what a deployment is told.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{}: {source}; the user who runs cdp has to be able to read it", .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{file}: {}", plain(.source))]
    Syntax { file: &'static str, source: Box<toml::de::Error> },
    #[error("{file}: {key}: {problem}; {remedy}")]
    Setting { file: &'static str, key: String, problem: String, remedy: String },
    #[error("{} may be read by others; run `chmod 600 {}`", .0.display(), .0.display())]
    OpenSecrets(PathBuf),
    /// Each on a line of its own.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<ConfigError>),
}

/// All that is wrong: whoever has to mend three things is told them at once.
#[derive(Default)]
pub(crate) struct Faults(Vec<ConfigError>);

impl Faults {
    pub fn push(&mut self, fault: ConfigError) {
        match fault {
            ConfigError::Several(faults) => self.0.extend(faults),
            fault => self.0.push(fault),
        }
    }

    /// `None`: it was a fault, which is told with the others.
    pub fn keep<T>(&mut self, outcome: Result<T, ConfigError>) -> Option<T> {
        outcome.map_err(|fault| self.push(fault)).ok()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `Ok`: nothing was wrong.
    pub fn end(mut self) -> Result<(), ConfigError> {
        match self.0.len() {
            0 | 1 => self.0.pop().map_or(Ok(()), Err),
            _ => Err(ConfigError::Several(self.0)),
        }
    }
}

/// Both, or what is wrong with each.
pub(crate) fn both<A, B>(one: Result<A, ConfigError>, other: Result<B, ConfigError>) -> Result<(A, B), ConfigError> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(fault), Ok(_)) | (Ok(_), Err(fault)) => Err(fault),
        (Err(fault), Err(another)) => {
            let mut faults = Faults::default();
            faults.push(fault);
            faults.push(another);
            Err(ConfigError::Several(faults.0))
        }
    }
}

/// All of them, or what is wrong with each that is.
pub(crate) fn all<T>(outcomes: impl Iterator<Item = Result<T, ConfigError>>) -> Result<Vec<T>, ConfigError> {
    let mut faults = Faults::default();
    let sound = outcomes.filter_map(|outcome| faults.keep(outcome)).collect();
    faults.end()?;
    Ok(sound)
}

/// Without names of Rust's types.
fn plain(error: &toml::de::Error) -> String {
    let whole = ["usize", "u64", "u32", "u16", "u8", "i64"].iter().map(|kind| (*kind, "a whole number"));
    let kinds = whole.chain([("f64", "a number")]);
    kinds.fold(error.to_string(), |text, (kind, plain)| {
        text.replace(&format!("expected {kind}"), &format!("expected {plain}"))
    })
}
