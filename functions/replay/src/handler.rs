//! A job, as far as time allows.

use std::sync::Arc;
use std::time::Duration;

use adapter_delta::DeltaReader;
use adapter_dynamodb::DynamoState;
use adapter_kinesis::KinesisStream;
use adapter_machine::Machine;
use adapter_sqs::SqsQueue;
use cdp_app::{NotAJob, Progress, RefusedRow, Replay, ReplayError, ReplayJob};
use cdp_deployment::Settings;
use cdp_lambda::{Deadline, StartError, Surroundings};
use cdp_ports::{Clock, FaultKind, PortError, Queue};
use cdp_webhooks::Webhook;
use tokio::sync::Mutex;

use crate::asked::Asked;

/// A chunk is begun only while so much time is left: it may find a page, and wait for a stream that is throttled.
const MARGIN: Duration = Duration::from_secs(30);
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(20);

pub struct Handler {
    surroundings: Surroundings,
    state: DynamoState,
    stream: KinesisStream,
    queue: SqsQueue,
    dead_letters: SqsQueue,
    own_lake: String,
    /// For their mappings: they verify nothing here.
    webhooks: Vec<Webhook>,
    settings: Settings,
    /// The lake that was read last, with the files that were read of it.
    reader: Mutex<Option<(String, Arc<DeltaReader>)>>,
}

/// Why a job came to an end, or to nothing.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error(transparent)]
    NotAJob(#[from] NotAJob),
    #[error("the lake {0} can't be read: {1}")]
    Lake(String, StartError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Port(#[from] PortError),
}

impl Handler {
    pub fn assemble(surroundings: Surroundings) -> Result<Self, StartError> {
        Ok(Self {
            state: surroundings.state()?,
            stream: surroundings.stream()?,
            queue: surroundings.queue("CDP_QUEUE")?,
            dead_letters: surroundings.queue("CDP_DEAD_LETTERS")?,
            own_lake: surroundings.lake_place()?.to_owned(),
            webhooks: surroundings.settings()?.mappings_of_webhooks()?,
            settings: surroundings.settings()?,
            reader: Mutex::default(),
            surroundings,
        })
    }

    /// An error: the message comes again, and goes to the dead letters after some times.
    pub async fn handle(&self, asked: &Asked, deadline: Deadline) -> Result<(), JobError> {
        for job in asked.jobs() {
            match self.work(job, deadline).await {
                Ok(()) => {}
                Err(error) if error.is_for_good() => {
                    tracing::error!(job, "a job went to the dead letters: {error}");
                    self.dead_letters.send(job).await?;
                }
                Err(error) => {
                    tracing::error!(job, "a job broke off, and goes on from its progress: {error}");
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    async fn work(&self, text: &str, deadline: Deadline) -> Result<(), JobError> {
        let job = ReplayJob::parse(text)?;
        let place = job.lake(&self.own_lake)?;
        let reader = self.reader(place).await.map_err(|error| JobError::Lake(place.to_owned(), error))?;
        let remap = |row: &RefusedRow<'_>| self.settings.again(&self.webhooks, row);
        let replay = Replay { state: &self.state, stream: &self.stream, lake: &*reader, remap: &remap };
        let mut wait = FIRST_WAIT;
        loop {
            match replay.run(&job, || Machine.now(), || deadline.left() > MARGIN).await {
                Ok(progress) => {
                    told(&progress);
                    return if progress.done { Ok(()) } else { Ok(self.queue.send(text).await?) };
                }
                Err(ReplayError::Port(error)) => match error.kind {
                    FaultKind::Stale => {
                        tracing::info!(replay.id = job.id, "another worker is at {}, and goes on", job.id);
                        return Ok(());
                    }
                    // A file that is gone was replaced: the next look finds the others.
                    FaultKind::Busy | FaultKind::Missing => {
                        if deadline.left() < MARGIN + wait {
                            tracing::warn!(replay.id = job.id, "{} goes on in the next invocation: {error}", job.id);
                            return Ok(self.queue.send(text).await?);
                        }
                        tokio::time::sleep(wait).await;
                        wait = (wait * 2).min(LONGEST_WAIT);
                    }
                    FaultKind::Refused | FaultKind::Broken => return Err(ReplayError::Port(error).into()),
                },
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn reader(&self, place: &str) -> Result<Arc<DeltaReader>, StartError> {
        let mut last = self.reader.lock().await;
        match &*last {
            Some((known, reader)) if known == place => Ok(Arc::clone(reader)),
            Some(_) | None => {
                let reader = Arc::new(DeltaReader::of(Arc::new(self.surroundings.lake_at(place)?)));
                *last = Some((place.to_owned(), Arc::clone(&reader)));
                Ok(reader)
            }
        }
    }
}

impl JobError {
    /// Would it come to the same each time?
    fn is_for_good(&self) -> bool {
        match self {
            Self::NotAJob(_) | Self::Replay(ReplayError::OwnLake(_) | ReplayError::OtherJob(_)) => true,
            Self::Lake(_, StartError::Lake(error)) => error.kind() == FaultKind::Missing,
            Self::Lake(_, StartError::NotALake(_)) => true,
            Self::Lake(..) | Self::Replay(_) | Self::Port(_) => false,
        }
    }
}

fn told(progress: &Progress) {
    let Progress { job, replayed, passed_over, of_files, at_most, done, .. } = progress;
    tracing::info!(
        replay.id = job.id,
        replay.table = job.table().as_str(),
        replay.replayed = replayed,
        replay.passed_over = passed_over,
        replay.of_files = of_files,
        replay.at_most = at_most,
        replay.done = done,
        "{}: {replayed} rows of {} replayed, {}",
        job.id,
        job.table(),
        if *done { "all of them" } else { "and it goes on" }
    );
}
