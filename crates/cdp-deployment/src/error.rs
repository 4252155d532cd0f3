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
}

/// Without names of Rust's types.
fn plain(error: &toml::de::Error) -> String {
    let whole = ["usize", "u64", "u32", "u16", "u8", "i64"].iter().map(|kind| (*kind, "a whole number"));
    let kinds = whole.chain([("f64", "a number")]);
    kinds.fold(error.to_string(), |text, (kind, plain)| {
        text.replace(&format!("expected {kind}"), &format!("expected {plain}"))
    })
}
