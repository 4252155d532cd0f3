//! A batch's way through ingest, as far as time allows.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use adapter_delta::DeltaLanding;
use adapter_dynamodb::DynamoState;
use adapter_machine::Machine;
use aws_lambda_events::streams::KinesisEventResponse;
use cdp_app::{BatchReport, Ingest, IngestError, PartitionIngest};
use cdp_event::{PartitionId, Record, Sequence};
use cdp_lambda::{Deadline, StartError, Surroundings};
use cdp_ports::{Chance, Clock, Landing, State};
use tokio::sync::Mutex;

use crate::batch::{Batch, Delivered, NotARecord, batches};

/// The next ones are begun only while so much more time is left than the slowest of before took.
const MARGIN: Duration = Duration::from_secs(3);

pub struct Handler<S: 'static, L: 'static, C: 'static> {
    ingest: &'static Ingest<S, L, C>,
    /// The source of records that name no other: the stream.
    source: String,
    /// What is known of shards that came before; a worker that failed is forgotten, and opened again.
    workers: Mutex<HashMap<PartitionId, PartitionIngest<'static, S, L, C>>>,
}

impl Handler<DynamoState, DeltaLanding, Machine> {
    pub fn assemble(surroundings: &Surroundings) -> Result<Self, StartError> {
        let settings = surroundings.settings()?;
        let rules = settings.identity.rules()?;
        let (state, lake) = (surroundings.state()?, surroundings.landing()?);
        Ok(Self::of(Ingest { state, lake, clock: Machine, rules }, settings.stream.name))
    }
}

impl<S: State, L: Landing, C: Clock + Chance> Handler<S, L, C> {
    fn of(ingest: Ingest<S, L, C>, source: String) -> Self {
        // Workers borrow it, and live as long as the process.
        Self { ingest: Box::leak(Box::new(ingest)), source, workers: Mutex::default() }
    }

    /// Never an error, and never an empty answer for what was not done: a shard goes on from the first record that is named.
    pub async fn handle(&self, delivered: Delivered, deadline: Deadline) -> KinesisEventResponse {
        let mut response = KinesisEventResponse::default();
        let first = delivered.records.first().map(|record| record.kinesis.sequence_number.clone());
        match batches(delivered) {
            Ok(batches) => {
                for batch in batches {
                    if let Some(undone) = self.take(&batch, deadline).await {
                        response.add_failure(undone.to_string());
                    }
                }
            }
            Err(NotARecord(id)) => {
                tracing::error!(event.id = id, "{id:?} is no record of a Kinesis stream; is the trigger another one?");
                response.add_failure(first.unwrap_or_default());
            }
        }
        response
    }

    /// Answers the first record that was not taken in.
    async fn take(&self, batch: &Batch, deadline: Deadline) -> Option<Sequence> {
        let (mut slowest, mut left) = (Duration::ZERO, &batch.records[..]);
        while let Some(Record { sequence: first, .. }) = left.first() {
            let first = *first;
            if deadline.left() < slowest + MARGIN {
                tracing::warn!(shard = %batch.shard, "{} goes on from {first} in the next invocation", batch.shard);
                return Some(first);
            }
            let began = Instant::now();
            match self.take_some(&batch.shard, left).await {
                Ok((report, rest)) => {
                    count(&batch.shard, &report, began.elapsed());
                    left = rest;
                }
                Err(error) => {
                    metrics::counter!("IngestFaults").increment(1);
                    tracing::error!(
                        shard = %batch.shard,
                        sequence = %first,
                        "{} is tried again from {first}: {error}", batch.shard
                    );
                    return Some(first);
                }
            }
            slowest = slowest.max(began.elapsed());
        }
        None
    }

    /// Lambda hands a shard's batches to whichever process is idle: what this one knows of the shard may be of before
    /// another one's batch. Then the shard is opened again.
    async fn take_some<'r>(
        &self,
        shard: &PartitionId,
        records: &'r [Record],
    ) -> Result<(BatchReport, &'r [Record]), IngestError> {
        let mut workers = self.workers.lock().await;
        if let Some(mut worker) = workers.remove(shard) {
            match worker.take_as_many_as_fit(records, &self.source).await {
                Ok(taken) => {
                    workers.insert(shard.clone(), worker);
                    return Ok(taken);
                }
                Err(IngestError::Fenced(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let mut worker = self.ingest.open(shard.clone()).await?;
        let taken = worker.take_as_many_as_fit(records, &self.source).await?;
        workers.insert(shard.clone(), worker);
        Ok(taken)
    }
}

fn count(shard: &PartitionId, report: &BatchReport, took: Duration) {
    let counts = &report.counts;
    metrics::counter!("EventsAccepted").increment(counts.accepted);
    metrics::counter!("EventsQuarantined").increment(counts.quarantined);
    metrics::counter!("EventsDuplicate").increment(counts.duplicates);
    tracing::info!(
        shard = %shard,
        records = counts.records,
        accepted = counts.accepted,
        quarantined = counts.quarantined,
        duplicates = counts.duplicates,
        took_ms = took.as_millis() as u64,
        "{shard}: {} records taken in", counts.records
    );
}
