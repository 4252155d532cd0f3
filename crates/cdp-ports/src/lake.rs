//! Open tables. Delta Lake in a folder or in S3 | memory.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use cdp_event::Timestamp;

use crate::PortResult;

/// The tables that this platform writes. SQL engines derive others from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TableName {
    Events,
    Quarantine,
    Identity,
    Profiles,
}

impl TableName {
    pub const ALL: [Self; 4] = [Self::Events, Self::Quarantine, Self::Identity, Self::Profiles];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Quarantine => "quarantine",
            Self::Identity => "identity",
            Self::Profiles => "profiles",
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TableName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|t| t.as_str() == name).ok_or_else(|| format!("no table {name:?}"))
    }
}

/// A file that was put, and is not part of its table until it is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Relative to the table's root, with its date partition: `date=2026-01-31/NAME.parquet`.
    pub path: String,
    /// The partition value: `2026-01-31`.
    pub date: String,
    pub rows: u64,
    pub bytes: u64,
    /// Statistics as Delta's `stats` JSON text.
    pub stats: String,
    pub written_at_ms: i64,
}

/// What a compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compaction {
    pub files_removed: u64,
    pub files_added: u64,
    pub rows: u64,
}

/// Rows of one file, some thousands at a time, so that a large file is made in little memory.
pub type Batches<'b> = &'b mut (dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send);

/// What ingest may do to a lake. All calls may run side by side, in one process or in several.
pub trait Landing: Send + Sync {
    /// Writes rows of one table and one date (the `date` column is not among the rows' columns: it is the folder) as a
    /// file named `name` (no slash, no suffix; the caller never uses a name twice). Durable once answered. No reader
    /// sees the rows before [`Lake::commit`]. `Refused`: there is no batch, or one that could not be made.
    fn put(
        &self,
        table: TableName,
        date: &str,
        name: &str,
        rows: Batches<'_>,
    ) -> impl Future<Output = PortResult<DataFile>> + Send;
}

/// All that can be done to a lake, by as many side by side.
pub trait Lake: Landing {
    /// Adds the files to the table in one commit that carries `plan` as its txn version. `Stale` when the table already
    /// carries `plan` or a later one, or when other writers were quicker too often: nothing has changed.
    /// `Busy`: it may have happened; `last_plan` tells.
    fn commit(&self, table: TableName, plan: u64, files: &[DataFile]) -> impl Future<Output = PortResult<()>> + Send;

    /// The highest plan that the table carries.
    fn last_plan(&self, table: TableName) -> impl Future<Output = PortResult<Option<u64>>> + Send;

    /// Rewrites the small files of each date as larger ones of about `target_bytes`: same rows, in commits that say that no
    /// data changed. Bounded work for a call; `None` when there is nothing left to do. `Stale`: another writer came
    /// first, nothing has changed.
    fn compact(
        &self,
        table: TableName,
        target_bytes: u64,
    ) -> impl Future<Output = PortResult<Option<Compaction>>> + Send;

    /// Deletes the table's data files that were written before `before`, that no kept version of the log names, and that
    /// are not in `named` (paths as in [`DataFile`]): what lost races and compactions leave behind.
    fn sweep(
        &self,
        table: TableName,
        named: &[String],
        before: Timestamp,
    ) -> impl Future<Output = PortResult<u64>> + Send;
}

impl<L: Landing> Landing for Arc<L> {
    async fn put(&self, table: TableName, date: &str, name: &str, rows: Batches<'_>) -> PortResult<DataFile> {
        self.as_ref().put(table, date, name, rows).await
    }
}

impl<L: Lake> Lake for Arc<L> {
    async fn commit(&self, table: TableName, plan: u64, files: &[DataFile]) -> PortResult<()> {
        self.as_ref().commit(table, plan, files).await
    }

    async fn last_plan(&self, table: TableName) -> PortResult<Option<u64>> {
        self.as_ref().last_plan(table).await
    }

    async fn compact(&self, table: TableName, target_bytes: u64) -> PortResult<Option<Compaction>> {
        self.as_ref().compact(table, target_bytes).await
    }

    async fn sweep(&self, table: TableName, named: &[String], before: Timestamp) -> PortResult<u64> {
        self.as_ref().sweep(table, named, before).await
    }
}
