//! SQL over the lake, by DataFusion. Reads only: the tables are written by the road, and by nobody else.

mod named;
mod views;

mod prune;
mod table;

mod json;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use adapter_delta::{DeltaError, DeltaLake};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext};
use futures::{Stream, TryStreamExt};

use crate::named::Named;
use crate::table::LakeTable;

pub use views::VIEWS;

/// Memory that all statements of a lake may use together; what needs more spills to disk.
const MEMORY_BYTES: usize = 1 << 30;

#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error("the lake in {0} can't be read: {1}")]
    Lake(PathBuf, DeltaError),
    #[error("there is no table `{0}`; there are {all}", all = named::all().join(", "))]
    NoTable(String),
    #[error("{0}")]
    Sql(String),
}

impl From<DataFusionError> for QueryError {
    fn from(error: DataFusionError) -> Self {
        let message = error.strip_backtrace();
        let first = message.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("; ");
        Self::Sql(first)
    }
}

/// The lake in a folder, ready for statements. They share its memory, and the footers of files that were read.
pub struct Query {
    lake: Arc<DeltaLake>,
    root: PathBuf,
    runtime: Arc<RuntimeEnv>,
}

impl Query {
    pub fn open(root: &Path) -> Result<Self, QueryError> {
        let lake = DeltaLake::open_existing(root).map_err(|error| QueryError::Lake(root.to_owned(), error))?;
        Ok(Self::over(Arc::new(lake), root))
    }

    pub fn over(lake: Arc<DeltaLake>, root: &Path) -> Self {
        let memory_pool = Arc::new(FairSpillPool::new(MEMORY_BYTES));
        Self { lake, root: root.to_owned(), runtime: Arc::new(RuntimeEnv { memory_pool, ..Default::default() }) }
    }

    /// The rows of one statement, and their columns. Each statement sees what was committed before it began.
    pub async fn sql(&self, statement: &str) -> Result<(SchemaRef, Vec<RecordBatch>), QueryError> {
        let (schema, rows) = self.stream(statement).await?;
        let rows = rows.try_collect().await?;
        Ok((schema, rows))
    }

    /// As [`Query::sql`], rows as they are found.
    pub async fn stream(
        &self,
        statement: &str,
    ) -> Result<(SchemaRef, impl Stream<Item = Result<RecordBatch, QueryError>> + use<>), QueryError> {
        let context = self.session(statement).await?;
        let reads_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let planned = context.sql_with_options(statement, reads_only).await;
        let frame = planned.map_err(|error| match named::missing(&context, statement, &error) {
            Some(name) => QueryError::NoTable(name),
            None => error.into(),
        })?;
        let rows = frame.execute_stream().await?;
        Ok((rows.schema(), rows.map_err(QueryError::from)))
    }

    async fn session(&self, statement: &str) -> Result<SessionContext, QueryError> {
        // A filter that aggregates learn as they go leaves out those that have found no value yet. `max(received_at),
        // max(sent_at)` passes over a file that alone has a `sent_at`, because its `received_at` is no new maximum.
        let config = SessionConfig::new()
            .set_bool("datafusion.optimizer.enable_aggregate_dynamic_filter_pushdown", false)
            .with_information_schema(true)
            .with_default_catalog_and_schema("cdp", "public");
        let context = SessionContext::new_with_config_rt(config, Arc::clone(&self.runtime));
        json::register(&context);
        let named = Named::of(&context, statement)?;
        for table in named.tables {
            let newest = LakeTable::newest(&self.lake, table);
            let newest = newest.map_err(|error| QueryError::Lake(self.root.clone(), error))?;
            context.register_table(table.as_str(), Arc::new(newest))?;
        }
        for (name, select) in named.views {
            context.sql(&format!("create view {name} as {select}")).await?;
        }
        Ok(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn statements_share_one_memory() {
        let folder = tempfile::tempdir().expect("a folder");
        DeltaLake::open(folder.path()).expect("an empty folder becomes a lake");
        let query = Query::open(folder.path()).expect("a lake");
        let one = query.session("select 1").await.expect("a session");
        let other = query.session("select 2").await.expect("a session");
        assert!(Arc::ptr_eq(&one.runtime_env().memory_pool, &other.runtime_env().memory_pool));
    }
}
