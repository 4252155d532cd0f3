//! The committer: what was landed becomes part of the tables.

use std::time::Duration;

use cdp_app::{CommitError, Committer};
use cdp_ports::{Clock, TableName};
use futures::executor::block_on;

use super::fate::{Backoff, Fate};
use super::measure;
use super::signals::{Bell, Stop};
use crate::platform::Platform;

/// How long landed files wait at most; a worker that landed some rings before.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Commits of one table are this far apart, so that the log does not fill with small ones.
const APART: Duration = Duration::from_millis(250);

pub struct TableCommitter<'p> {
    pub platform: &'p Platform,
    /// Asked for when nothing will be landed any more.
    pub stop: &'p Stop,
    pub landed: &'p Bell,
}

impl TableCommitter<'_> {
    /// Until the stop is asked for; what was landed by then is committed.
    pub fn run(&self) -> Result<(), CommitError> {
        let mut backoff = Backoff::default();
        loop {
            let is_last = self.stop.is_asked();
            match self.commit_all() {
                Ok(()) => backoff.reset(),
                Err(error) if Fate::of_commit(&error) == Fate::StopProcess => return Err(error),
                Err(error) => {
                    tracing::warn!("a commit is tried again after a fault: {error}");
                    self.stop.sleep(backoff.next());
                }
            }
            if is_last {
                return Ok(());
            }
            self.landed.wait(LOOK_AGAIN);
            self.stop.sleep(APART);
        }
    }

    fn commit_all(&self) -> Result<(), CommitError> {
        let ingest = &self.platform.ingest;
        for table in TableName::ALL {
            let committer = Committer { state: &ingest.state, lake: &ingest.lake, table };
            while let Some(committed) = block_on(committer.commit())? {
                measure::commit(table, &committed, ingest.clock.now());
                tracing::debug!(
                    table = table.as_str(),
                    plan = committed.plan,
                    rows = committed.rows,
                    files = committed.files,
                    "{} rows committed to {table}",
                    committed.rows
                );
            }
        }
        Ok(())
    }
}
