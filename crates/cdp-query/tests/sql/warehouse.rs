//! The port, by DataFusion.

use std::sync::Arc;

use adapter_delta::DeltaLake;
use cdp_ports::{FaultKind, TableName, Warehouse};
use cdp_query::Query;
use futures::TryStreamExt;

use crate::sample::Sample;

#[tokio::test]
async fn keeps_the_contract_of_warehouse() {
    cdp_ports::conformance::warehouse::all(async || {
        let folder = tempfile::tempdir().expect("a folder");
        let lake = DeltaLake::open(folder.path()).expect("an empty folder becomes a lake");
        // Nothing of the suite asks a table, so the folder may go.
        Query::over(Arc::new(lake))
    })
    .await;
}

#[tokio::test]
async fn a_file_that_is_gone_is_no_fault_of_the_statement() {
    let sample = Sample::full().await;
    let gone = sample.lake.newest(TableName::Events).expect("a log").files[0].path.clone();
    let query = sample.query();
    std::fs::remove_file(sample.folder.path().join("events").join(gone)).expect("removed");
    let error = match query.run("select message_id from events").await {
        Ok(answer) => answer.rows.try_collect::<Vec<_>>().await.expect_err("the file is gone"),
        Err(error) => error,
    };
    assert_eq!(error.kind, FaultKind::Broken, "{error}");
}
