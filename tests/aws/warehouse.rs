//! Warehouse by Athena, in a workgroup whose answers go to the bucket that `CDP_TEST_BUCKET` names.

use std::time::Duration;

use adapter_athena::AthenaWarehouse;
use aws_sdk_athena::Client;
use aws_sdk_athena::types::{QueryExecutionState, ResultConfiguration, WorkGroupConfiguration};
use cdp_ports::Warehouse;

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract_of_warehouse() {
    let (_, workgroup) = fresh_workgroup().await;
    let config = crate::config().await;
    cdp_ports::conformance::warehouse::all(async || AthenaWarehouse::new(&config, &workgroup, "default")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_nobody_waits_for_is_stopped() {
    let (client, workgroup) = fresh_workgroup().await;
    let warehouse = AthenaWarehouse::new(&crate::config().await, &workgroup, "default");
    let long = "select count(*) from range(40000) a, range(40000) b where a.range * b.range % 7 = 1";
    let outcome = tokio::time::timeout(Duration::from_millis(500), warehouse.run(long)).await;
    outcome.expect_err("it takes seconds");
    let begun = client.list_query_executions().work_group(&workgroup).send().await.expect("a listing");
    let id = begun.query_execution_ids().first().expect("a statement was begun");
    let looked = client.get_query_execution().query_execution_id(id).send().await.expect("it is known");
    let status = looked.query_execution().and_then(|found| found.status()).expect("a status");
    assert_eq!(status.state(), Some(&QueryExecutionState::Cancelled));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_is_told() {
    let (_, workgroup) = fresh_workgroup().await;
    let warehouse = AthenaWarehouse::new(&crate::config().await, &workgroup, "default");
    let answer = warehouse.run("select 1 as n").await.expect("a sound statement");
    assert!(answer.scanned_bytes.is_some());
}

async fn fresh_workgroup() -> (Client, String) {
    let (client, name) = (Client::new(&crate::config().await), crate::fresh_name("workgroup"));
    let bucket = std::env::var("CDP_TEST_BUCKET").expect("CDP_TEST_BUCKET names a bucket");
    let answers = ResultConfiguration::builder().output_location(format!("s3://{bucket}/athena/")).build();
    let settings = WorkGroupConfiguration::builder().result_configuration(answers).build();
    client.create_work_group().name(&name).configuration(settings).send().await.expect("a new workgroup");
    (client, name)
}
