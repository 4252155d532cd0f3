//! Commits what is waiting, as far as time allows.

#[cfg(test)]
mod tests;

use std::time::Duration;

use adapter_delta::DeltaLake;
use adapter_dynamodb::DynamoState;
use adapter_machine::Machine;
use cdp_app::{CommitError, Committed, Committer};
use cdp_lambda::{Deadline, StartError, Surroundings};
use cdp_ports::{Clock, Lake, State, TableName};

use crate::woken::Woken;

/// A commit is begun only while so much time is left; the clock wakes whoever goes on.
const MARGIN: Duration = Duration::from_secs(10);

pub struct Handler<S, L> {
    state: S,
    lake: L,
}

impl Handler<DynamoState, DeltaLake> {
    pub fn assemble(surroundings: &Surroundings) -> Result<Self, StartError> {
        Ok(Self { state: surroundings.state()?, lake: surroundings.lake()? })
    }
}

impl<S: State, L: Lake> Handler<S, L> {
    /// A fault of one table keeps no other from its commit.
    pub async fn handle(&self, woken: &Woken, deadline: Deadline) -> Result<(), CommitError> {
        let mut outcome = Ok(());
        for table in woken.tables() {
            if let Err(error) = self.keep(table, woken.is_by_clock(), deadline).await {
                tracing::error!(table = table.as_str(), "{table} is behind: {error}");
                outcome = Err(error);
            }
        }
        outcome
    }

    async fn keep(&self, table: TableName, is_by_clock: bool, deadline: Deadline) -> Result<(), CommitError> {
        if is_by_clock {
            // Readers look for each table, also for one that nothing was ever landed for.
            self.lake.last_plan(table).await?;
        }
        self.drain(table, deadline).await
    }

    async fn drain(&self, table: TableName, deadline: Deadline) -> Result<(), CommitError> {
        let committer = Committer { state: &self.state, lake: &self.lake, table };
        while deadline.left() > MARGIN {
            let Some(committed) = committer.commit().await? else { return Ok(()) };
            count(table, &committed);
        }
        Ok(())
    }
}

fn count(table: TableName, committed: &Committed) {
    let lag_ms = Machine.now().as_ms().saturating_sub(committed.oldest_ms).max(0);
    // A plan that had been committed before tells neither rows nor times.
    if committed.rows > 0 {
        metrics::histogram!("CommitLagSeconds").record(lag_ms as f64 / 1000.0);
    }
    tracing::info!(
        table = table.as_str(),
        plan = committed.plan,
        files = committed.files,
        rows = committed.rows,
        lag_ms,
        "{table}: plan {} committed, {} rows",
        committed.plan,
        committed.rows
    );
}
