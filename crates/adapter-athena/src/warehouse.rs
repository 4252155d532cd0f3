//! The port.

use std::sync::LazyLock;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use aws_config::SdkConfig;
use aws_sdk_athena::Client;
use aws_sdk_athena::types::{QueryExecution, QueryExecutionContext, ResultSet, StatementType};
use cdp_aws::fault;
use cdp_ports::{Answer, PortError, PortResult, Warehouse};
use futures::{Stream, StreamExt, stream};

use crate::execution::Execution;
use crate::rows;

pub struct AthenaWarehouse {
    /// Made for the first statement: it takes milliseconds, and a function starts for many calls that ask none.
    client: LazyLock<Client, Box<dyn FnOnce() -> Client + Send>>,
    workgroup: String,
    database: String,
}

impl AthenaWarehouse {
    pub fn new(config: &SdkConfig, workgroup: impl Into<String>, database: impl Into<String>) -> Self {
        let config = config.clone();
        let client = LazyLock::new(Box::new(move || Client::new(&config)) as Box<_>);
        Self { client, workgroup: workgroup.into(), database: database.into() }
    }

    async fn start(&self, statement: &str) -> PortResult<Execution> {
        let started = self
            .client
            .start_query_execution()
            .query_string(statement)
            .work_group(&self.workgroup)
            .query_execution_context(QueryExecutionContext::builder().database(&self.database).build())
            .send()
            .await;
        let action = || format!("start a statement in the workgroup {}", self.workgroup);
        let started = started.map_err(|error| fault(action(), error))?;
        Ok(Execution::begun(Client::clone(&self.client), started.query_execution_id.unwrap_or_default()))
    }
}

impl Warehouse for AthenaWarehouse {
    async fn run(&self, statement: &str) -> PortResult<Answer> {
        let mut execution = self.start(statement).await?;
        let ended = execution.wait().await?;
        let pages = Pages { client: Client::clone(&self.client), id: execution.id().to_owned() };
        let (mut first, next) = pages.fetch(None).await?;
        if has_header(&ended)
            && let Some(rows) = first.rows.as_mut().filter(|rows| !rows.is_empty())
        {
            rows.remove(0);
        }
        let columns = rows::columns(&first);
        let batch = rows::batch(&columns, &first);
        let others = pages.after(next, columns.clone());
        let scanned = ended.statistics().and_then(|it| it.data_scanned_in_bytes());
        Ok(Answer {
            columns,
            rows: stream::once(async { batch }).chain(others).boxed(),
            scanned_bytes: scanned.and_then(|bytes| u64::try_from(bytes).ok()),
        })
    }
}

/// The first row of what a SELECT found names its columns.
fn has_header(ended: &QueryExecution) -> bool {
    ended.statement_type() == Some(&StatementType::Dml)
}

/// What a statement found, page by page.
struct Pages {
    client: Client,
    id: String,
}

impl Pages {
    /// A page, and what names the next one.
    async fn fetch(&self, from: Option<String>) -> PortResult<(ResultSet, Option<String>)> {
        let page = self.client.get_query_results().query_execution_id(&self.id).set_next_token(from).send().await;
        let page = page.map_err(|error| fault(format!("fetch the rows of the statement {}", self.id), error))?;
        Ok((page.result_set.unwrap_or_else(|| ResultSet::builder().build()), page.next_token))
    }

    fn after(self, next: Option<String>, columns: SchemaRef) -> impl Stream<Item = PortResult<RecordBatch>> + Send {
        stream::try_unfold((self, next, columns), async |(pages, next, columns)| {
            let Some(next) = next else { return Ok(None) };
            let (page, next) = pages.fetch(Some(next)).await?;
            Ok::<_, PortError>(Some((rows::batch(&columns, &page)?, (pages, next, columns))))
        })
    }
}
