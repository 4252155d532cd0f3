//! How far a replay is, as JSON.

use cdp_app::{Progress, ReplayJob};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct ReplayView {
    replayed: u64,
    passed_over: u64,
    /// Rows that come again with their file only.
    of_files: u64,
    at_most: u64,
    until: String,
    done: bool,
    /// Before it was asked for: nothing was replayed now.
    done_before: bool,
}

impl ReplayView {
    /// Of a job that nobody has begun yet.
    pub fn waiting(job: &ReplayJob) -> Self {
        Self {
            replayed: 0,
            passed_over: 0,
            of_files: 0,
            at_most: 0,
            until: job.until.to_string(),
            done: false,
            done_before: false,
        }
    }

    pub fn done_before(self, done_before: bool) -> Self {
        Self { done_before, ..self }
    }
}

impl From<&Progress> for ReplayView {
    fn from(progress: &Progress) -> Self {
        Self {
            replayed: progress.replayed,
            passed_over: progress.passed_over,
            of_files: progress.of_files,
            at_most: progress.at_most,
            until: progress.job.until.to_string(),
            done: progress.done,
            done_before: false,
        }
    }
}
