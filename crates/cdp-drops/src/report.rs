//! What became of a file, as JSON in `.reports/` beside it. State holds the truth; a report that is lost is written anew.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::file::Stamp;

pub const REPORTS_FOLDER: &str = ".reports";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Running,
    Done,
    /// The file ends early: the rows before are taken.
    Truncated,
    /// The file can't be read at all.
    Refused,
    /// Another file had the same content.
    AlreadyTaken,
}

impl Status {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Truncated => "truncated",
            Self::Refused => "refused",
            Self::AlreadyTaken => "already_taken",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileReport {
    pub file: String,
    pub source: String,
    pub status: Status,
    /// Why it is truncated or refused, or what the file was called when it was taken.
    pub detail: Option<String>,
    pub format: Option<String>,
    pub compression: Option<String>,
    pub encoding: Option<String>,
    pub rows: u64,
    /// A row that tells of a person and of what the person did is two events.
    pub events: u64,
    pub taken: u64,
    pub duplicates: u64,
    pub refused: u64,
    pub refused_by_reason: BTreeMap<String, u64>,
    /// The first rows that were refused, a few for each reason.
    pub examples: Vec<Example>,
    /// Of the tables' rows that came from this file.
    pub partition: String,
    /// ISO 8601, as the following ones.
    pub first_seen: String,
    pub started: String,
    pub finished: Option<String>,
    #[serde(flatten)]
    pub(crate) stamp: Stamp,
    /// Of the settings that it was read by.
    pub(crate) settings: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    pub row: u64,
    pub reason: String,
    pub field: Option<String>,
    pub detail: String,
}

impl FileReport {
    /// The report of the file at `path`. `None`: there is none that can be read.
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(report_path(path)?).ok()?).ok()
    }

    /// Readers see the old report or the new one.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let Some(place) = report_path(path) else { return Ok(()) };
        let unfinished = place.with_extension("json.tmp");
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&unfinished, serde_json::to_string_pretty(self)? + "\n")?;
        fs::rename(&unfinished, &place)
    }

    /// Whether there is nothing to do for a file. With other settings, one of which nothing was taken gets another chance.
    pub(crate) fn settles(&self, stamp: Stamp, settings: &str) -> bool {
        let is_over = self.status != Status::Running;
        let is_read_so = self.settings == settings || self.taken + self.duplicates > 0;
        is_over && self.stamp == stamp && is_read_so
    }
}

fn report_path(path: &Path) -> Option<PathBuf> {
    let mut name = OsString::from(path.file_name()?);
    name.push(".json");
    Some(path.parent()?.join(REPORTS_FOLDER).join(name))
}
