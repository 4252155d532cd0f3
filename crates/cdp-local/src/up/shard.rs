//! A shard's worker: waits for records, closes a batch in time, takes it in.

use std::time::{Duration, Instant};

use cdp_app::{IngestError, PartitionIngest};
use cdp_deployment::IngestLimits;
use cdp_event::{PartitionId, Record, Sequence};
use cdp_ports::{Chance, Clock, Landing, State, Stream};
use futures::executor::block_on;

use super::fate::{Backoff, Fate};
use super::signals::{Bell, Stop};
use crate::platform::Platform;

/// How long a record may lie in the log before the worker looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

pub struct ShardWorker<'p> {
    pub platform: &'p Platform,
    pub shard: PartitionId,
    pub limits: IngestLimits,
    pub stop: &'p Stop,
    /// Rung when files wait for a commit.
    pub landed: &'p Bell,
}

impl ShardWorker<'_> {
    /// Until the stop is asked for; the batch in hand is finished first.
    pub fn run(&self) -> Result<(), IngestError> {
        let mut backoff = Backoff::default();
        while !self.stop.is_asked() {
            let Err(error) = self.work(&mut backoff) else { continue };
            match Fate::of(&error) {
                Fate::StopProcess => return Err(error),
                Fate::TryAgain => {
                    let wait = backoff.next();
                    tracing::warn!(
                        shard = %self.shard,
                        wait_ms = wait.as_millis() as u64,
                        "shard {} goes on from its checkpoint after a fault: {error}", self.shard
                    );
                    self.stop.sleep(wait);
                }
            }
        }
        Ok(())
    }

    fn work(&self, backoff: &mut Backoff) -> Result<(), IngestError> {
        let mut worker = block_on(self.platform.ingest.open(self.shard.clone()))?;
        while !self.stop.is_asked() {
            let batch = self.next_batch(worker.checkpoint().done)?;
            if !batch.is_empty() {
                self.take(&mut worker, &batch)?;
                backoff.reset();
            }
        }
        Ok(())
    }

    fn take<S: State, L: Landing, C: Clock + Chance>(
        &self,
        worker: &mut PartitionIngest<'_, S, L, C>,
        batch: &[Record],
    ) -> Result<(), IngestError> {
        let started = Instant::now();
        let report = block_on(worker.take_records(batch, &self.platform.deployment.config.settings.stream.name))?;
        self.landed.ring();
        let took_ms = started.elapsed().as_millis() as u64;
        super::measure::batch(&self.shard, &report, started.elapsed());
        tracing::debug!(
            shard = %self.shard,
            records = report.counts.records,
            accepted = report.counts.accepted,
            quarantined = report.counts.quarantined,
            duplicates = report.counts.duplicates,
            took_ms,
            "shard {}: {} records taken in", self.shard, report.counts.records
        );
        Ok(())
    }

    /// Records after `done`: as many as a batch may hold, or what has come within the linger of the first. Empty when the
    /// stop is asked for before anything came.
    fn next_batch(&self, done: Option<Sequence>) -> Result<Vec<Record>, IngestError> {
        let mut batch = Batch::default();
        let mut closes_at: Option<Instant> = None;
        loop {
            let after = batch.records.last().map(|record| record.sequence).or(done);
            let (records, bytes) = (self.limits.records - batch.records.len(), self.limits.bytes - batch.bytes);
            let more = block_on(self.platform.log.read(&self.shard, after, records, bytes))?;
            let is_quiet = more.is_empty();
            batch.extend(more);

            let is_full = batch.records.len() >= self.limits.records || batch.bytes >= self.limits.bytes;
            let now = Instant::now();
            let is_due = !batch.records.is_empty() && now >= *closes_at.get_or_insert(now + self.limits.linger);
            if is_full || is_due || self.stop.is_asked() {
                return Ok(batch.records);
            }
            if is_quiet {
                self.stop.sleep(LOOK_AGAIN);
            }
        }
    }
}

#[derive(Default)]
struct Batch {
    records: Vec<Record>,
    bytes: usize,
}

impl Batch {
    fn extend(&mut self, more: Vec<Record>) {
        self.bytes += more.iter().map(|record| record.data.len()).sum::<usize>();
        self.records.extend(more);
    }
}
