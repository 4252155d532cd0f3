//! Open tables, read. Rows are looked up file by file: where a function runs there is no room for a SQL engine.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use cdp_event::Timestamp;

use crate::{PortResult, TableName};

/// A file of a table's newest version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LakeFile {
    /// Relative to the table's root.
    pub path: String,
    pub rows: u64,
    /// No row's `received_at` is before the first or after the second. `None`: nobody has written that down.
    pub received: Option<(Timestamp, Timestamp)>,
}

/// Rows of one file, some thousands at a time.
pub type RowBatches = Box<dyn Iterator<Item = PortResult<RecordBatch>> + Send>;

/// All calls may run beside each other, and beside whoever writes to the lake.
pub trait LakeReader: Send + Sync {
    /// The files that the table consists of now, each row in one of them. A compaction may put others in their place at any
    /// moment; they can be read for as long as the lake keeps what was replaced, an hour at least.
    fn files(&self, table: TableName) -> impl Future<Output = PortResult<Vec<LakeFile>>> + Send;

    /// Rows of a file in its order, with exactly these columns; one that the file is too old to have is null. `chosen`: the
    /// numbers of the wanted rows, counted from 0, ascending; `None`: all. `Missing`: there is no such file any more.
    fn rows(
        &self,
        table: TableName,
        path: &str,
        columns: &SchemaRef,
        chosen: Option<&[u64]>,
    ) -> impl Future<Output = PortResult<RowBatches>> + Send;
}
