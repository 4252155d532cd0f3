//! A file's way through the intake, as far as time allows. What is left comes again as the same message.

mod last_try;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use adapter_delta::DeltaLanding;
use adapter_dynamodb::DynamoState;
use adapter_machine::Machine;
use adapter_s3::S3Drops;
use adapter_sqs::SqsQueue;
use cdp_app::{BatchReport, Ingest};
use cdp_drops::{
    Address, BatchLimits, DropBox, DropSettings, DropSource, Dropped, FileReport, Intake, IntakeError, Status,
    is_passed_over,
};
use cdp_lambda::{Deadline, StartError, Surroundings};
use cdp_ports::{Chance, Clock, FaultKind, Landing, PortError, Queue, State};

use crate::woken::{Message, NotANotification, Put, Woken};

/// Rows that go through together: as many as fill a file that is worth its request.
const LIMITS: BatchLimits = BatchLimits { rows: 2_500, bytes: 8 << 20 };
/// The next ones are begun only while so much more time is left than the slowest of before took.
const MARGIN: Duration = Duration::from_secs(5);

pub struct Handler<S, L, C, D, Q> {
    ingest: Ingest<S, L, C>,
    limits: BatchLimits,
    sources: BTreeMap<String, DropSettings>,
    drops: D,
    /// Whose messages wake this function.
    queue: Q,
    /// How often a message comes, before it is a dead letter.
    tries: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    #[error(transparent)]
    NotANotification(#[from] NotANotification),
    #[error(transparent)]
    Intake(#[from] IntakeError),
    #[error(transparent)]
    Port(#[from] PortError),
}

/// One of those that the queue allows for a message.
#[derive(Clone, Copy)]
struct Try {
    deadline: Deadline,
    is_last: bool,
}

impl HandleError {
    /// As [`IntakeError::for_the_sender`].
    fn for_the_sender(&self) -> String {
        match self {
            Self::Intake(error) => error.for_the_sender(),
            Self::NotANotification(_) | Self::Port(_) => "the platform could not come back to it".to_owned(),
        }
    }
}

/// Of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Over,
    /// There are rows left.
    Left,
}

impl Handler<DynamoState, DeltaLanding, Machine, S3Drops, SqsQueue> {
    pub fn assemble(surroundings: &Surroundings) -> Result<Self, StartError> {
        let settings = surroundings.settings()?;
        let rules = settings.identity.rules()?;
        let (state, lake) = (surroundings.state()?, surroundings.landing()?);
        Ok(Self {
            ingest: Ingest { state, lake, clock: Machine, rules },
            limits: LIMITS,
            sources: settings.drops,
            drops: S3Drops::new(surroundings.aws()),
            queue: surroundings.queue("CDP_DROP_QUEUE")?,
            tries: surroundings.number("CDP_DROP_TRIES")?,
        })
    }
}

impl<S: State, L: Landing, C: Clock + Chance, D: DropBox, Q: Queue> Handler<S, L, C, D, Q> {
    /// An error leaves its message in the queue; the file is gone on with from its checkpoint when it comes again.
    pub async fn handle(&self, woken: &Woken, deadline: Deadline) -> Result<(), HandleError> {
        for message in &woken.messages {
            let number = message.tries();
            let this = Try { deadline, is_last: number >= self.tries };
            self.heed(message, this).await.inspect_err(|error| {
                metrics::counter!("DropFaults").increment(1);
                tracing::error!("a dropped file failed, try {number} of {}: {error}", self.tries);
            })?;
        }
        Ok(())
    }

    async fn heed(&self, message: &Message, this: Try) -> Result<(), HandleError> {
        for file in message.puts()? {
            let outcome = self.go_on(&file, message, this).await;
            if let Err(error) = &outcome
                && this.is_last
            {
                self.give_up(&file, error).await;
            }
            if outcome? == Fate::Left {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn go_on(&self, file: &Put, message: &Message, this: Try) -> Result<Fate, HandleError> {
        let fate = self.take_in(file, this).await?;
        if fate == Fate::Left {
            tracing::info!("{} is gone on with in the next invocation", file.address);
            // The files of the message that came before this one are found to be over then.
            self.queue.send(&message.body).await?;
        }
        Ok(fate)
    }

    async fn take_in(&self, put: &Put, this: Try) -> Result<Fate, HandleError> {
        let address = &put.address;
        if is_passed_over(&address.key) {
            return Ok(Fate::Over);
        }
        let file = match self.drops.open(address).await {
            Ok(file) => file,
            Err(error) if error.kind == FaultKind::Missing => {
                tracing::info!("{address} is gone, and was not taken in");
                return Ok(Fate::Over);
            }
            Err(error) => return Err(IntakeError::Place(error).into()),
        };
        if this.is_last {
            self.announce_last_try(put, this.deadline).await;
        }
        let Some((name, settings)) = address.source().and_then(|source| self.sources.get_key_value(source)) else {
            return self.refuse(address, &file).await;
        };
        match self.take_in_from(DropSource { name, settings }, &file, this.deadline).await {
            Ok(report) if report.status == Status::Running => Ok(Fate::Left),
            Ok(report) => {
                count_file(&report);
                Ok(Fate::Over)
            }
            // The object that took its place has a message of its own.
            Err(error @ (IntakeError::Changed(_) | IntakeError::Gone(_))) => {
                tracing::warn!("a file is left as it is: {error}");
                Ok(Fate::Over)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// At least one batch, so that each invocation comes further.
    async fn take_in_from(
        &self,
        source: DropSource<'_>,
        file: &D::File,
        deadline: Deadline,
    ) -> Result<FileReport, IntakeError> {
        let intake = Intake { ingest: &self.ingest, limits: self.limits };
        let mut began = Instant::now();
        let mut slowest = Duration::ZERO;
        let mut after_a_batch = |batch: &BatchReport| {
            count_batch(batch);
            slowest = slowest.max(began.elapsed());
            began = Instant::now();
            if deadline.left() < slowest + MARGIN { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        intake.take_in(source, file, &mut |progress| after_a_batch(progress.batch)).await
    }

    async fn refuse(&self, address: &Address, file: &D::File) -> Result<Fate, HandleError> {
        let known = self.sources.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "none: add [drops.NAME]".to_owned() } else { known };
        let detail = match address.source() {
            Some(source) => format!("there is no drop source {source:?} in cdp.toml; there is {known}"),
            None => format!("it lies in no drop source's folder; cdp.toml has {known}"),
        };
        tracing::warn!("{address} is not taken in: {detail}");
        let source = address.source().unwrap_or_default();
        let report = FileReport::of_no_source(file, source, detail, self.ingest.clock.now());
        count_file(&report);
        let put = file.put_report(&report).await;
        put.map_err(|error| IntakeError::at(file, error))?;
        Ok(Fate::Over)
    }
}

fn count_batch(batch: &BatchReport) {
    metrics::counter!("EventsAccepted").increment(batch.counts.accepted);
    metrics::counter!("EventsQuarantined").increment(batch.counts.quarantined);
    metrics::counter!("EventsDuplicate").increment(batch.counts.duplicates);
}

fn count_file(report: &FileReport) {
    let is_sound = matches!(report.status, Status::Done | Status::AlreadyTaken);
    metrics::counter!(if is_sound { "DropsTaken" } else { "DropsRefused" }).increment(1);
}
