//! The committer: what was landed becomes part of the tables, and the tables are kept in shape.

use std::time::{Duration, Instant};

use cdp_app::{CommitError, Committer, waiting_files};
use cdp_ports::{Clock, Lake, PortResult, TableName};
use futures::executor::block_on;

use super::fate::{Backoff, Fate};
use super::measure;
use super::signals::{Bell, Stop};
use crate::platform::Platform;

/// How long landed files wait at most; a worker that landed some rings before.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Commits of one table are this far apart, so that the log does not fill with small ones.
const APART: Duration = Duration::from_millis(250);
const COMPACT_EVERY: Duration = Duration::from_secs(60);
const COMPACT_TO_BYTES: u64 = 128 << 20;
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
const HOUR_MS: i64 = 3_600_000;

pub struct TableKeeper<'p> {
    pub platform: &'p Platform,
    /// Asked for when nothing will be landed any more.
    pub stop: &'p Stop,
    pub landed: &'p Bell,
}

impl TableKeeper<'_> {
    /// Until the stop is asked for; what was landed by then is committed.
    pub fn run(&self) -> Result<(), CommitError> {
        let mut backoff = Backoff::default();
        let mut compacted_at = Instant::now();
        let mut swept_at = Instant::now();
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
            if compacted_at.elapsed() >= COMPACT_EVERY {
                self.tell("compaction", self.compact());
                compacted_at = Instant::now();
            }
            if swept_at.elapsed() >= SWEEP_EVERY {
                self.tell("sweep", self.sweep());
                swept_at = Instant::now();
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

    fn compact(&self) -> PortResult<()> {
        for table in TableName::ALL {
            while let Some(done) = block_on(self.platform.ingest.lake.compact(table, COMPACT_TO_BYTES))? {
                tracing::info!(
                    table = table.as_str(),
                    files_removed = done.files_removed,
                    files_added = done.files_added,
                    rows = done.rows,
                    "{} files of {table} became {}",
                    done.files_removed,
                    done.files_added
                );
                if self.stop.is_asked() {
                    return Ok(());
                }
                // A long compaction does not make fresh rows wait.
                self.commit_all().unwrap_or_else(|error| tracing::warn!("a commit is tried again: {error}"));
            }
        }
        Ok(())
    }

    /// What lost races and compactions left behind goes once no query can need it any more.
    fn sweep(&self) -> Result<(), CommitError> {
        let Platform { ingest, deployment, .. } = self.platform;
        let hours = i64::from(deployment.settings.retention.orphans_hours.max(1));
        let before = ingest.clock.now().plus_ms(-hours * HOUR_MS);
        for table in TableName::ALL {
            let waiting = block_on(waiting_files(&ingest.state, table))?;
            let removed = block_on(ingest.lake.sweep(table, &waiting, before))?;
            if removed > 0 {
                tracing::info!(
                    table = table.as_str(),
                    removed,
                    "{removed} files that {table} no longer names were deleted"
                );
            }
        }
        Ok(())
    }

    /// Maintenance can wait: a fault ends this round only.
    fn tell(&self, what: &str, outcome: Result<(), impl std::fmt::Display>) {
        if let Err(error) = outcome {
            tracing::warn!("{what} is tried again later: {error}");
        }
    }
}
