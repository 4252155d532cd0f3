//! SQL over the lake, by DataFusion. Reads only: the tables are written by the road, and by nobody else.

mod named;
mod views;

mod prune;
mod table;

mod json;

mod facts;
mod warehouse;

use std::path::Path;
use std::sync::Arc;

use adapter_delta::{DeltaError, DeltaLake};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use cdp_ports::{FaultKind, PortError, TableName};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext};
use futures::{Stream, StreamExt, TryStreamExt};

use crate::named::Named;
use crate::table::LakeTable;

pub use views::VIEWS;

/// Memory that all statements of a lake may use together; what needs more spills to disk.
const MEMORY_BYTES: usize = 1 << 30;

/// How DataFusion begins to refuse a statement that does more than read: CREATE, INSERT, SET and the like.
const WRITES: [&str; 3] = ["DDL not supported", "DML not supported", "Statement not supported"];

#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error("the lake can't be read: {0}")]
    Lake(#[from] DeltaError),
    #[error("there is no table `{0}`; there are {all}", all = named::all().join(", "))]
    NoTable(String),
    #[error("{0}")]
    Sql(String),
    /// The statement may be sound: its rows could not be read, or were more than memory and disk hold.
    #[error("{0}")]
    Failed(String),
}

impl From<DataFusionError> for QueryError {
    fn from(error: DataFusionError) -> Self {
        let message = plain(error.find_root()).unwrap_or_else(|| error.strip_backtrace());
        let message = message.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("; ");
        match error.find_root() {
            DataFusionError::ObjectStore(_)
            | DataFusionError::IoError(_)
            | DataFusionError::ParquetError(_)
            | DataFusionError::ResourcesExhausted(_) => Self::Failed(message),
            _ => Self::Sql(message),
        }
    }
}

/// In our words, with the remedy, where the planner's do not help.
fn plain(error: &DataFusionError) -> Option<String> {
    match error {
        DataFusionError::SQL(error, _) => Some(error.to_string()),
        DataFusionError::Plan(why) if WRITES.iter().any(|refused| why.starts_with(refused)) => {
            Some("the tables can be read, not written: ask one SELECT".to_owned())
        }
        DataFusionError::Plan(why) if why.starts_with("No SQL statements") => {
            Some("there is no statement: ask one SELECT".to_owned())
        }
        DataFusionError::NotImplemented(why) if why.contains("a single SQL statement") => {
            Some("these are several statements: ask one SELECT at a time".to_owned())
        }
        DataFusionError::NotImplemented(why) => {
            let operator = why.strip_prefix("Operator ")?.split(' ').next()?;
            Some(format!("there is no operator {operator} here; {}", json::HOW_TO_READ))
        }
        DataFusionError::Plan(why) if why.starts_with("Invalid function '") && why.contains("json") => {
            let function = why.split('\'').nth(1)?;
            Some(format!("there is no function {function}; {}", json::HOW_TO_READ))
        }
        DataFusionError::Execution(why) if why.starts_with("Cannot access field") => {
            Some(format!("text has no fields; {}", json::HOW_TO_READ))
        }
        _ => None,
    }
}

impl From<QueryError> for PortError {
    fn from(error: QueryError) -> Self {
        let kind = match &error {
            QueryError::Lake(error) => error.kind(),
            QueryError::NoTable(_) | QueryError::Sql(_) => FaultKind::Refused,
            QueryError::Failed(_) => FaultKind::Broken,
        };
        Self::because(kind, "ask the tables", error)
    }
}

/// A lake in a folder or in a bucket, ready for statements. They share its memory, and the footers of files that were read.
///
/// Statements want a runtime of tokio.
pub struct Query {
    lake: Arc<DeltaLake>,
    runtime: Arc<RuntimeEnv>,
}

impl Query {
    /// The lake in a folder.
    pub fn open(root: &Path) -> Result<Self, QueryError> {
        Ok(Self::over(Arc::new(DeltaLake::open_existing(root)?)))
    }

    pub fn over(lake: Arc<DeltaLake>) -> Self {
        let memory_pool = Arc::new(FairSpillPool::new(MEMORY_BYTES));
        Self { lake, runtime: Arc::new(RuntimeEnv { memory_pool, ..Default::default() }) }
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
        let columns = rows.schema();
        // The lake stays while its rows are read: some of the store's connections live on its threads.
        let lake = Arc::clone(&self.lake);
        let rows = rows.map_err(QueryError::from).inspect(move |_| {
            let _ = &lake;
        });
        Ok((columns, rows))
    }

    async fn session(&self, statement: &str) -> Result<SessionContext, QueryError> {
        // A filter that aggregates learn as they go leaves out those that have found no value yet. `max(received_at),
        // max(sent_at)` passes over a file that alone has a `sent_at`, because its `received_at` is no new maximum.
        // And what is cast to text is text of the kind that the tables have.
        let config = SessionConfig::new()
            .set_bool("datafusion.optimizer.enable_aggregate_dynamic_filter_pushdown", false)
            .set_bool("datafusion.sql_parser.map_string_types_to_utf8view", false)
            .with_information_schema(true)
            .with_default_catalog_and_schema("cdp", "public");
        let context = SessionContext::new_with_config_rt(config, Arc::clone(&self.runtime));
        context.register_object_store(table::store_url()?.as_ref(), self.lake.store());
        json::register(&context);
        let named = Named::of(&context, statement)?;
        for table in named.tables {
            context.register_table(table.as_str(), Arc::new(self.newest(table).await?))?;
        }
        for (name, select) in named.views {
            context.sql(&format!("create view {name} as {select}")).await?;
        }
        Ok(context)
    }

    /// On a thread that may wait: this one may drive the connections that the log is read by.
    async fn newest(&self, table: TableName) -> Result<LakeTable, QueryError> {
        let lake = Arc::clone(&self.lake);
        let read = tokio::task::spawn_blocking(move || LakeTable::newest(lake, table)).await;
        Ok(read.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))??)
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
