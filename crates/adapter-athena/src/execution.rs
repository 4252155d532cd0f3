//! One statement under way: waited for, and stopped when nobody waits any more.

use std::time::Duration;

use aws_sdk_athena::Client;
use aws_sdk_athena::types::{QueryExecution, QueryExecutionState, QueryExecutionStatus};
use cdp_aws::fault;
use cdp_ports::{FaultKind, PortError, PortResult};
use tokio::runtime::{Handle, RuntimeFlavor};

/// A statement takes half a second at least. Each look is a request, of which an account has some a second.
const FIRST_WAIT: Duration = Duration::from_millis(150);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// Whoever leaves does not wait longer for the statement to be stopped.
const STOPPING: Duration = Duration::from_secs(5);

pub(crate) struct Execution {
    client: Client,
    id: String,
    is_over: bool,
}

impl Execution {
    pub fn begun(client: Client, id: String) -> Self {
        Self { client, id, is_over: false }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// Until it has succeeded.
    pub async fn wait(&mut self) -> PortResult<QueryExecution> {
        let mut wait = FIRST_WAIT;
        loop {
            let looked = self.look().await?;
            let status = looked.status();
            match status.and_then(QueryExecutionStatus::state) {
                Some(QueryExecutionState::Succeeded) => {
                    self.is_over = true;
                    return Ok(looked);
                }
                Some(QueryExecutionState::Failed | QueryExecutionState::Cancelled) => {
                    self.is_over = true;
                    return Err(failure(&self.id, status));
                }
                // A statement that Athena tries again goes from running to queued.
                _ => tokio::time::sleep(wait).await,
            }
            wait = (wait * 3 / 2).min(LONGEST_WAIT);
        }
    }

    async fn look(&self) -> PortResult<QueryExecution> {
        let answer = self.client.get_query_execution().query_execution_id(&self.id).send().await;
        let action = || format!("look at the statement {}", self.id);
        let found = answer.map_err(|error| fault(action(), error))?.query_execution;
        found.ok_or_else(|| PortError::because(FaultKind::Broken, action(), "the answer tells nothing of it"))
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else { return };
        if self.is_over {
            return;
        }
        let stop = self.client.stop_query_execution().query_execution_id(&self.id).send();
        let stop = async { drop(tokio::time::timeout(STOPPING, stop).await) };
        // The process may be about to end, so the request is waited for where the runtime lets us.
        if runtime.runtime_flavor() == RuntimeFlavor::MultiThread {
            tokio::task::block_in_place(|| runtime.block_on(stop));
        } else {
            runtime.spawn(stop);
        }
    }
}

fn failure(id: &str, status: Option<&QueryExecutionStatus>) -> PortError {
    let told = status.and_then(|it| it.athena_error());
    let is_passing = told.is_some_and(|told| told.retryable());
    let kind = if is_passing { FaultKind::Busy } else { FaultKind::Refused };
    let reason = told.and_then(|told| told.error_message()).or(status.and_then(|it| it.state_change_reason()));
    PortError::because(kind, format!("run the statement {id}"), reason.unwrap_or("it was stopped, nobody says why"))
}

#[cfg(test)]
mod tests {
    use aws_sdk_athena::types::AthenaError;

    use super::*;

    fn check(status: QueryExecutionStatus, kind: FaultKind, reason: &str) {
        let error = failure("id", Some(&status));
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().ends_with(reason), "{error}");
    }

    #[test]
    fn why_a_statement_failed_is_told_and_whether_it_may_be_run_again() {
        let failed = || QueryExecutionStatus::builder().state(QueryExecutionState::Failed);
        let told = |retryable: bool| AthenaError::builder().error_message("told").retryable(retryable).build();
        check(failed().state_change_reason("SYNTAX_ERROR").build(), FaultKind::Refused, "SYNTAX_ERROR");
        check(failed().state_change_reason("longer").athena_error(told(false)).build(), FaultKind::Refused, "told");
        check(failed().athena_error(told(true)).build(), FaultKind::Busy, "told");
        check(failed().build(), FaultKind::Refused, "nobody says why");
    }
}
