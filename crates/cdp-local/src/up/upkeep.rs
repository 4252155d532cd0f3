//! Upkeep: many small files of a table become few large ones, and files that nothing names any more are deleted. On a
//! thread of its own, because a long rewrite must not make fresh rows wait; the lake lets both write to one log.

use std::time::{Duration, Instant};

use cdp_app::{CommitError, waiting_files};
use cdp_ports::{Clock, Lake, PortResult, TableName};
use futures::executor::block_on;

use super::signals::Stop;
use crate::platform::Platform;

const COMPACT_EVERY: Duration = Duration::from_secs(60);
const COMPACT_TO_BYTES: u64 = 128 << 20;
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
const HOUR_MS: i64 = 3_600_000;

pub struct TableKeeper<'p> {
    pub platform: &'p Platform,
    pub stop: &'p Stop,
}

impl TableKeeper<'_> {
    pub fn run(&self) {
        let mut swept_at: Option<Instant> = None;
        while !self.stop.sleep(COMPACT_EVERY) {
            self.each_table("compaction", |table| self.compact(table));
            if swept_at.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
                self.each_table("sweep", |table| self.sweep(table));
                swept_at = Some(Instant::now());
            }
        }
    }

    /// Upkeep can wait: a fault ends the round of its table only.
    fn each_table<E: std::fmt::Display>(&self, what: &str, keep: impl Fn(TableName) -> Result<(), E>) {
        for table in TableName::ALL {
            if let Err(error) = keep(table) {
                tracing::warn!(table = table.as_str(), "{what} of {table} is tried again later: {error}");
            }
        }
    }

    fn compact(&self, table: TableName) -> PortResult<()> {
        while !self.stop.is_asked() {
            match block_on(self.platform.ingest.lake.compact(table, COMPACT_TO_BYTES)) {
                Ok(Some(done)) => tracing::info!(
                    table = table.as_str(),
                    files_removed = done.files_removed,
                    files_added = done.files_added,
                    rows = done.rows,
                    "{} files of {table} became {}",
                    done.files_removed,
                    done.files_added
                ),
                Ok(None) => break,
                // The table is another one now: what is left to do there is found again.
                Err(error) if error.is_stale() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What lost races and compactions left behind goes once no query can need it any more.
    fn sweep(&self, table: TableName) -> Result<(), CommitError> {
        let Platform { ingest, deployment, .. } = self.platform;
        let hours = i64::from(deployment.settings.retention.orphans_hours.max(1));
        let before = ingest.clock.now().plus_ms(-hours * HOUR_MS);
        let waiting = block_on(waiting_files(&ingest.state, table))?;
        let removed = block_on(ingest.lake.sweep(table, &waiting, before))?;
        if removed > 0 {
            tracing::info!(
                table = table.as_str(),
                removed,
                "{removed} files that {table} no longer names were deleted"
            );
        }
        Ok(())
    }
}
