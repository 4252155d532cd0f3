//! Upkeep, on a thread of its own, because a long rewrite must not make fresh rows wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use adapter_delta::DeltaLake;
use adapter_fjall::FjallState;
use cdp_app::{CommitError, Upkeep};
use cdp_ports::{Clock, PortResult, TableName};
use futures::executor::block_on;

use super::signals::Stop;
use crate::platform::Platform;

const COMPACT_EVERY: Duration = Duration::from_secs(60);
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

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
        let done = block_on(self.upkeep(table).compact(|| !self.stop.is_asked()))?;
        if done.files_removed > 0 {
            tracing::info!(
                table = table.as_str(),
                files_removed = done.files_removed,
                files_added = done.files_added,
                rows = done.rows,
                "{} files of {table} became {}",
                done.files_removed,
                done.files_added
            );
        }
        Ok(())
    }

    fn sweep(&self, table: TableName) -> Result<(), CommitError> {
        let Platform { ingest, deployment, .. } = self.platform;
        let before = deployment.config.settings.retention.orphans_before(ingest.clock.now());
        let removed = block_on(self.upkeep(table).sweep(before))?;
        if removed > 0 {
            tracing::info!(
                table = table.as_str(),
                removed,
                "{removed} files that {table} no longer names were deleted"
            );
        }
        Ok(())
    }

    fn upkeep(&self, table: TableName) -> Upkeep<'_, Arc<FjallState>, Arc<DeltaLake>> {
        let Platform { ingest, .. } = self.platform;
        Upkeep { state: &ingest.state, lake: &ingest.lake, table }
    }
}
