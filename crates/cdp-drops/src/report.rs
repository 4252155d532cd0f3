//! What became of a file, as JSON in `.reports/` beside it. State holds the truth; a report that is lost is written anew.

use std::collections::BTreeMap;
use std::io;

use cdp_event::Timestamp;
use serde::{Deserialize, Serialize};

use crate::dropped::{Dropped, Stamp};

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
    /// Nobody goes on with the file by themselves. What was taken of it stays.
    GivenUp,
}

impl Status {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Truncated => "truncated",
            Self::Refused => "refused",
            Self::AlreadyTaken => "already_taken",
            Self::GivenUp => "given_up",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileReport {
    pub file: String,
    pub source: String,
    pub status: Status,
    /// Why it is truncated, refused or given up, or what the file was called when it was taken.
    pub detail: Option<String>,
    pub format: Option<String>,
    pub compression: Option<String>,
    pub encoding: Option<String>,
    /// How much of the file is read by now, as long as it is not read to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_bytes: Option<u64>,
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
    /// Of a file that no source takes: it is not looked into.
    pub fn of_no_source(file: &impl Dropped, source: &str, detail: String, now: Timestamp) -> Self {
        Self {
            status: Status::Refused,
            detail: Some(detail),
            finished: Some(now.to_string()),
            ..Self::of_unread(file.name(), source, file.stamp(), now)
        }
    }

    /// Of a file that nobody has looked into yet.
    pub fn of_unread(name: &str, source: &str, stamp: &Stamp, now: Timestamp) -> Self {
        Self {
            file: name.to_owned(),
            source: source.to_owned(),
            status: Status::Running,
            detail: None,
            format: None,
            compression: None,
            encoding: None,
            read_bytes: None,
            rows: 0,
            events: 0,
            taken: 0,
            duplicates: 0,
            refused: 0,
            refused_by_reason: BTreeMap::new(),
            examples: vec![],
            partition: String::new(),
            first_seen: now.to_string(),
            started: now.to_string(),
            finished: None,
            stamp: stamp.clone(),
            settings: String::new(),
        }
    }

    /// As far as it came by now.
    #[must_use]
    pub fn under_way(self, detail: String) -> Self {
        Self { status: Status::Running, detail: Some(detail), finished: None, ..self }
    }

    /// As far as it came. `why`: for whoever sent the file.
    #[must_use]
    pub fn given_up(self, why: String, now: Timestamp) -> Self {
        Self { status: Status::GivenUp, detail: Some(why), finished: Some(now.to_string()), ..self }
    }

    /// `None`: it is no report.
    pub fn from_json(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    pub fn to_json(&self) -> io::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// How large the file is.
    pub fn bytes(&self) -> u64 {
        self.stamp.bytes
    }

    /// Whether nothing more comes of the file by itself.
    pub fn is_over(&self) -> bool {
        self.status != Status::Running
    }

    /// Whether nothing more comes of the file if it is taken in once more.
    pub fn is_final(&self) -> bool {
        !matches!(self.status, Status::Running | Status::GivenUp)
    }

    /// Whether it tells of the file, and not of one that had its name before. Another mode is no other file.
    pub fn tells_of(&self, stamp: &Stamp) -> bool {
        (self.stamp.bytes, self.stamp.modified_ns) == (stamp.bytes, stamp.modified_ns)
    }

    /// Whether it tells of that very version.
    pub fn is_of_version(&self, stamp: &Stamp) -> bool {
        self.stamp.mark == stamp.mark
    }

    /// Whether it tells of a file that took the other one's name.
    pub fn is_of_a_later_file_than(&self, other: &Self) -> bool {
        !self.is_of_version(&other.stamp) && self.stamp.modified_ns > other.stamp.modified_ns
    }

    /// Whether there is nothing to do for a file. With other settings, one of which nothing was taken gets another chance.
    pub(crate) fn settles(&self, stamp: &Stamp, settings: &str) -> bool {
        let is_read_so = self.settings == settings || self.taken + self.duplicates > 0;
        self.is_final() && self.stamp == *stamp && is_read_so
    }
}
