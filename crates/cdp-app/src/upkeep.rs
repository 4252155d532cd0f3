//! Upkeep of a table: many small files become few large ones, and files that nothing names any more are deleted. Beside
//! everything else: the lake lets a rewrite and a commit both write to one log.

use cdp_event::Timestamp;
use cdp_ports::{Compaction, Lake, PortResult, State, TableName};

use crate::{CommitError, waiting_files};

/// As large as a file gets by compaction.
const COMPACT_TO_BYTES: u64 = 128 << 20;

pub struct Upkeep<'u, S, L> {
    pub state: &'u S,
    pub lake: &'u L,
    pub table: TableName,
}

impl<S: State, L: Lake> Upkeep<'_, S, L> {
    /// Rewrites what is worth it, as long as `goes_on`. Answers what it came to.
    pub async fn compact(&self, goes_on: impl Fn() -> bool) -> PortResult<Compaction> {
        let mut all = Compaction::default();
        while goes_on() {
            match self.lake.compact(self.table, COMPACT_TO_BYTES).await {
                Ok(Some(done)) => {
                    all.files_removed += done.files_removed;
                    all.files_added += done.files_added;
                    all.rows += done.rows;
                }
                Ok(None) => break,
                // The table is another one now: what is left to do there is found again.
                Err(error) if error.is_stale() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// What lost races and compactions left behind goes, once nothing that began before `before` can need it any more.
    /// Answers how many files are gone.
    pub async fn sweep(&self, before: Timestamp) -> Result<u64, CommitError> {
        let waiting = waiting_files(self.state, self.table).await?;
        Ok(self.lake.sweep(self.table, &waiting, before).await?)
    }
}
