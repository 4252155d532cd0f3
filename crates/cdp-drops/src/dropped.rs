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

/// Why a file is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassedOver {
    #[error("a file without a name is passed over; give it one")]
    Nameless,
    /// Or in a folder that is, such as that of the reports.
    #[error("names that begin with a dot are passed over as hidden; give it another name")]
    Hidden,
    #[error("names that end in .{0} are passed over while a file is still written; give it another name")]
    Unfinished(&'static str),
}

/// `name`: below its source's folder. `None`: the file is taken in.
pub fn why_passed_over(name: &str) -> Option<PassedOver> {
    let file = name.rsplit('/').next().unwrap_or(name);
    if file.is_empty() {
        return Some(PassedOver::Nameless);
    }
    if name.split('/').any(|part| part.starts_with('.')) {
        return Some(PassedOver::Hidden);
    }
    let (_, ending) = file.rsplit_once('.')?;
    UNFINISHED.into_iter().find(|unfinished| ending.eq_ignore_ascii_case(unfinished)).map(PassedOver::Unfinished)
}

pub fn is_passed_over(name: &str) -> bool {
    why_passed_over(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_or_unfinished_is_passed_over() {
        for (name, expected) in [
            ("a.csv", None),
            ("2026/a.csv", None),
            ("part", None),
            ("a.part.csv", None),
            ("a.csv.part", Some(PassedOver::Unfinished("part"))),
            ("a.TMP", Some(PassedOver::Unfinished("tmp"))),
            ("a.FilePart", Some(PassedOver::Unfinished("filepart"))),
            (".a.csv", Some(PassedOver::Hidden)),
            (".part", Some(PassedOver::Hidden)),
            (".reports/a.csv.json", Some(PassedOver::Hidden)),
            ("2026/.reports/a.csv.json", Some(PassedOver::Hidden)),
            (".trash/2026/a.csv", Some(PassedOver::Hidden)),
            ("2026/", Some(PassedOver::Nameless)),
            ("", Some(PassedOver::Nameless)),
        ] {
            assert_eq!(why_passed_over(name), expected, "{name}");
        }
    }
}
