//! SQL over the tables. Athena | DataFusion.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use futures::stream::BoxStream;

use crate::PortResult;

/// What a statement found.
pub struct Answer {
    pub columns: SchemaRef,
    /// In the statement's order, fetched as they are asked for. Nothing comes after an error.
    pub rows: BoxStream<'static, PortResult<RecordBatch>>,
    /// What was read for it, where the warehouse counts that: it is what one pays for.
    pub scanned_bytes: Option<u64>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("columns", &self.columns).finish_non_exhaustive()
    }
}

pub trait Warehouse: Send + Sync {
    /// Runs one statement, and answers when its first rows can be fetched. It sees what was committed before it began.
    /// Integers, floating-point numbers and booleans are columns of their kind, text is `Utf8`; all else is at least text. `Refused`: the
    /// statement can't be run, and the source says why. `Busy`: too many run already, or a passing fault; a statement that only
    /// reads may be run again. Dropped before it is answered, a statement is stopped.
    fn run(&self, statement: &str) -> impl Future<Output = PortResult<Answer>> + Send;
}

impl<W: Warehouse> Warehouse for Arc<W> {
    async fn run(&self, statement: &str) -> PortResult<Answer> {
        self.as_ref().run(statement).await
    }
}
