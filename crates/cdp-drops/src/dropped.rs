//! A dropped file, wherever it lies: what it is called, what it holds, and where its report goes.

use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::content::Content;
use crate::report::FileReport;

/// A file in hand. Its errors are those of [`Content`].
pub trait Dropped: Send + Sync {
    /// For whoever looks for it: a path, an address.
    fn place(&self) -> String;

    /// Below its source's folder.
    fn name(&self) -> &str;

    fn stamp(&self) -> &Stamp;

    fn content(&self) -> Arc<dyn Content>;

    /// What no other content will ever be called, so that this one need be read only once to know which it is. `None` where
    /// whoever writes a file may write it again.
    fn lasting_name(&self) -> Option<String>;

    /// Whether somebody writes into it after all.
    fn has_changed(&self) -> io::Result<bool>;

    /// The one beside the file. `None`: there is none that can be read.
    fn report(&self) -> impl Future<Output = io::Result<Option<FileReport>>> + Send;

    /// Readers see the old report or the new one. The report of a file that took this one's name stays.
    fn put_report(&self, report: &FileReport) -> impl Future<Output = io::Result<()>> + Send;
}

/// What tells a changed file from an unchanged one without reading it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub bytes: u64,
    pub modified_ns: i64,
    /// Another one whenever anything about the file changed; nobody who writes files can choose it.
    pub mark: String,
}

pub const REPORTS_FOLDER: &str = ".reports";

/// Endings that programs give to files they still write.
const UNFINISHED: [&str; 6] = ["tmp", "temp", "part", "partial", "filepart", "crdownload"];

/// Whether a file is left alone: it is hidden, in a folder that is (such as that of the reports), or still being written.
/// `name`: below its source's folder.
pub fn is_passed_over(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    let ending = file.rsplit_once('.').map_or("", |(_, ending)| ending);
    let is_hidden = name.split('/').any(|part| part.starts_with('.'));
    file.is_empty() || is_hidden || UNFINISHED.iter().any(|unfinished| ending.eq_ignore_ascii_case(unfinished))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_or_unfinished_is_passed_over() {
        for (name, expected) in [
            ("a.csv", false),
            ("2026/a.csv", false),
            ("part", false),
            ("a.part.csv", false),
            ("a.csv.part", true),
            ("a.TMP", true),
            (".a.csv", true),
            (".part", true),
            (".reports/a.csv.json", true),
            ("2026/.reports/a.csv.json", true),
            (".trash/2026/a.csv", true),
            ("2026/", true),
            ("", true),
        ] {
            assert_eq!(is_passed_over(name), expected, "{name}");
        }
    }
}
