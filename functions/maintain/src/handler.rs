//! One round of upkeep, as far as time allows. What is left is found again in the next.

#[cfg(test)]
mod tests;

use std::time::Duration;

use adapter_delta::DeltaLake;
use adapter_dynamodb::DynamoState;
use adapter_kinesis::KinesisStream;
use adapter_machine::Machine;
use cdp_app::{Checkpoints, Upkeep, retire};
use cdp_deployment::RetentionSettings;
use cdp_lambda::{Deadline, StartError, Surroundings};
use cdp_ports::{Clock, Lake, State, Stream, TableName};
use lambda_runtime::Error;

/// A rewrite of the largest files takes about as long.
const MARGIN: Duration = Duration::from_secs(90);

pub struct Handler<S, L, R> {
    state: S,
    lake: L,
    stream: R,
    retention: RetentionSettings,
}

impl Handler<DynamoState, DeltaLake, KinesisStream> {
    pub fn assemble(surroundings: &Surroundings) -> Result<Self, StartError> {
        Ok(Self {
            state: surroundings.state()?,
            lake: surroundings.lake()?,
            stream: surroundings.stream()?,
            retention: surroundings.settings()?.retention,
        })
    }
}

impl<S: State, L: Lake, R: Stream> Handler<S, L, R> {
    /// A fault of one part keeps no other from its round.
    pub async fn handle(&self, deadline: Deadline) -> Result<(), Error> {
        let mut outcome = Ok(());
        for table in TableName::ALL {
            if let Err(error) = self.keep(table, deadline).await {
                tracing::error!(table = table.as_str(), "upkeep of {table} is tried again in the next round: {error}");
                outcome = Err(error);
            }
        }
        self.retire_shards().await?;
        outcome
    }

    async fn keep(&self, table: TableName, deadline: Deadline) -> Result<(), Error> {
        let upkeep = Upkeep { state: &self.state, lake: &self.lake, table };
        let compacted = upkeep.compact(|| deadline.left() > MARGIN).await?;
        let removed = upkeep.sweep(self.retention.orphans_before(Machine.now())).await?;
        if compacted.files_removed + removed > 0 {
            tracing::info!(
                table = table.as_str(),
                files_removed = compacted.files_removed,
                files_added = compacted.files_added,
                rows = compacted.rows,
                orphans = removed,
                "{table}: {} files became {}, {removed} that nothing names are gone",
                compacted.files_removed,
                compacted.files_added
            );
        }
        Ok(())
    }

    /// A shard that was split or merged is gone once its records are; nothing of it is in flight any more.
    async fn retire_shards(&self) -> Result<(), Error> {
        let mut open = Checkpoints::default();
        open.refresh(&self.state).await?;
        let there = self.stream.partitions().await?;
        for shard in retire(&self.state, &open, |partition| {
            partition.as_str().starts_with("shardId-") && !there.contains(partition)
        })
        .await?
        {
            tracing::info!(shard = %shard, "{shard} is gone from the stream, and closed");
        }
        Ok(())
    }
}
