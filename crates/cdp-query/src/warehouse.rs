//! The port: statements are run in this process.

use cdp_ports::{Answer, PortError, PortResult, Warehouse};
use futures::{StreamExt, TryStreamExt};

use crate::Query;

impl Warehouse for Query {
    async fn run(&self, statement: &str) -> PortResult<Answer> {
        let (columns, rows) = self.stream(statement).await?;
        Ok(Answer { columns, rows: rows.map_err(PortError::from).boxed(), scanned_bytes: None })
    }
}
