//! Intake: a file's rows go through ingest as one partition, `drop/SOURCE/CONTENT`, whose sequence numbers are the rows'.
//!
//! The partition is named by the content, so the same content twice is the same partition, which is closed. A partition
//! of which nothing was taken stays as it is when the source is read by other settings; the content is then a new one.

mod naming;
mod stored;
mod tally;

use std::io;
use std::ops::ControlFlow;

use cdp_app::{BatchReport, Ingest, IngestError, PartitionIngest, Reading};
use cdp_event::{PartitionId, Reason, Rejection, Sequence, Timestamp};
use cdp_ports::{Chance, Clock, FaultKind, Landing, PortError, State};

use self::stored::{StoredEnding, StoredFile};
use crate::batch::{Batch, BatchLimits};
use crate::dropped::Dropped;
use crate::report::{FileReport, Status};
use crate::rows::{Ending, OpenError, Rows};
use crate::settings::DropSettings;

/// How often a running report is written.
const REPORT_EVERY_MS: i64 = 2_000;

/// The use case. A fault leaves nothing half done: take the file in again, and it goes on from its checkpoint.
pub struct Intake<'i, S, L, C> {
    pub ingest: &'i Ingest<S, L, C>,
    pub limits: BatchLimits,
}

#[derive(Clone, Copy, Debug)]
pub struct DropSource<'s> {
    pub name: &'s str,
    pub settings: &'s DropSettings,
}

/// After each batch.
pub struct Progress<'p> {
    pub partition: &'p PartitionId,
    pub batch: &'p BatchReport,
    pub file: &'p FileReport,
}

#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    #[error("{place}: {source}")]
    Io { place: String, source: io::Error },
    /// Take it in once it is still.
    #[error("{0} changed while it was read")]
    Changed(String),
    #[error("{0} is gone")]
    Gone(String),
    /// Of where the file and its report lie.
    #[error(transparent)]
    Place(PortError),
    #[error(transparent)]
    Ingest(#[from] IngestError),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("what State holds about {0} can't be read; build a deployment anew from the lake: docs/replay.md")]
    Stored(PartitionId),
}

impl IntakeError {
    /// What reading `file`, or writing beside it, failed with.
    pub fn at(file: &impl Dropped, error: io::Error) -> Self {
        match error.downcast::<PortError>() {
            Ok(fault) if fault.kind == FaultKind::Stale => Self::Changed(file.place()),
            Ok(fault) if fault.kind == FaultKind::Missing => Self::Gone(file.place()),
            Ok(fault) => Self::Place(fault),
            Err(source) => Self::Io { place: file.place(), source },
        }
    }

    /// Why, in few words: nothing of what is behind it, which is no business of whoever sent the file.
    pub fn for_the_sender(&self) -> String {
        match self {
            Self::Io { source, .. } => format!("it could not be read ({source})"),
            Self::Changed(_) => "it changed while it was read".to_owned(),
            Self::Gone(_) => "it is gone".to_owned(),
            Self::Place(fault) if fault.kind == FaultKind::Busy => "it could not be read in time".to_owned(),
            Self::Place(_) => {
                "it could not be read, as where it is encrypted by a key that the platform may not use".to_owned()
            }
            Self::Ingest(IngestError::Fenced(_)) => "the same content was being taken in under another name".to_owned(),
            Self::Ingest(_) | Self::Port(_) | Self::Stored(_) => {
                "the platform could not keep its rows, for which the file is not to blame".to_owned()
            }
        }
    }
}

impl<S: State, L: Landing, C: Clock + Chance> Intake<'_, S, L, C> {
    /// Takes the file in, from where it stood, and writes its report. `progress` may ask to stop after a batch: then the
    /// report's status is still `Running`.
    pub async fn take_in<F: Dropped>(
        &self,
        source: DropSource<'_>,
        file: &F,
        progress: &mut (dyn FnMut(Progress<'_>) -> ControlFlow<()> + Send),
    ) -> Result<FileReport, IntakeError> {
        let at = |error| IntakeError::at(file, error);
        let settings = source.settings.fingerprint();
        if let Some(report) = file.report().await.map_err(at)?.filter(|told| told.settles(file.stamp(), &settings)) {
            return Ok(report);
        }
        let content = naming::name_of(&self.ingest.state, file).await?;
        if file.has_changed().map_err(at)? {
            return Err(IntakeError::Changed(file.place()));
        }
        let now = self.ingest.clock.now();
        let mut work = Work::open(self.ingest, source, file, &content, settings, now).await?;
        work.run(self.limits, progress).await?;
        work.report().await
    }
}

/// A file in hand.
struct Work<'w, F, S, L, C> {
    ingest: &'w Ingest<S, L, C>,
    worker: PartitionIngest<'w, S, L, C>,
    source: DropSource<'w>,
    file: &'w F,
    partition: PartitionId,
    stored: StoredFile,
    settings: String,
    /// Of the file, by now.
    read_bytes: Option<u64>,
    started: Timestamp,
    reported: Timestamp,
}

impl<'w, F: Dropped, S: State, L: Landing, C: Clock + Chance> Work<'w, F, S, L, C> {
    async fn open(
        ingest: &'w Ingest<S, L, C>,
        source: DropSource<'w>,
        file: &'w F,
        content: &str,
        settings: String,
        now: Timestamp,
    ) -> Result<Self, IntakeError> {
        let mut reading = Reading::newest(&ingest.state, &PartitionId::of_file(source.name, content)).await?;
        let mut worker = ingest.open(reading.partition.clone()).await?;
        let mut stored = StoredFile::load(&ingest.state, &reading.partition).await?;
        let was_read_otherwise = stored.as_ref().is_some_and(|stored| stored.settings != settings);
        let is_of_no_use = worker.checkpoint().closed && worker.checkpoint().counts.taken() == 0;
        if was_read_otherwise && is_of_no_use && !reading.is_last {
            reading.replace(&ingest.state, reading.partition.read_by(&settings)).await?;
            worker = ingest.open(reading.partition.clone()).await?;
            stored = StoredFile::load(&ingest.state, &reading.partition).await?;
        }
        let partition = reading.partition;
        let mut stored = match stored {
            Some(stored) => stored,
            None => {
                let mut new = StoredFile::new(file.name().to_owned(), file.stamp().bytes, settings.clone(), now);
                new.put(&ingest.state, &partition).await?;
                new
            }
        };
        if !worker.checkpoint().closed {
            stored.name = file.name().to_owned();
        }
        let reported = Timestamp::default();
        let read_bytes = None;
        Ok(Self { ingest, worker, source, file, partition, stored, settings, read_bytes, started: now, reported })
    }

    fn io(&self, error: io::Error) -> IntakeError {
        IntakeError::at(self.file, error)
    }

    /// The number of the last row that is taken in.
    fn done(&self) -> u64 {
        self.worker.checkpoint().done.and_then(Sequence::as_u64).unwrap_or(0)
    }

    async fn run(
        &mut self,
        limits: BatchLimits,
        progress: &mut (dyn FnMut(Progress<'_>) -> ControlFlow<()> + Send),
    ) -> Result<(), IntakeError> {
        if self.worker.checkpoint().closed && self.stored.ending.is_some() {
            return Ok(());
        }
        let Self { file, source, .. } = *self;
        let mut rows = match Rows::open(file.content(), &self.stored.name, source.name, source.settings) {
            Ok(rows) => rows,
            Err(OpenError::Device(error)) => return Err(self.io(error)),
            Err(OpenError::Unreadable { detail, head, layout }) => {
                if let Some(layout) = layout {
                    self.stored.set_layout(&layout);
                }
                return self.refuse(detail, &head, progress).await;
            }
        };
        self.stored.set_layout(rows.layout());
        // Rows whose reasons are told already; a kill may have come between a batch and its telling.
        rows.skip(self.stored.told_through).map_err(|error| self.io(error))?;
        let mut batch = Batch::of_file(source.name, self.stored.first_seen(), &rows.file_row());
        while self.stored.ending.is_none() {
            batch.clear();
            let done = self.done();
            let retold = (rows.number() < done).then_some(done);
            rows.fill(&mut batch, limits, retold).map_err(|error| self.io(error))?;
            if self.file.has_changed().map_err(|error| self.io(error))? {
                return Err(IntakeError::Changed(self.file.place()));
            }
            self.stored.encoding = Some(rows.encoding().to_owned());
            self.read_bytes = Some(rows.read_bytes());
            let ending = rows.ending().cloned().map(StoredEnding::from);
            if retold.is_some() || self.worker.checkpoint().closed {
                self.retell(&batch, rows.number()).await?;
                if ending.is_none() {
                    continue;
                }
                batch.clear();
            }
            if self.take(&batch, rows.number().max(done), ending, progress).await?.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes in the batch, whose last row is `number`. A closed partition only gets its ending told.
    async fn take(
        &mut self,
        batch: &Batch,
        number: u64,
        ending: Option<StoredEnding>,
        progress: &mut (dyn FnMut(Progress<'_>) -> ControlFlow<()> + Send),
    ) -> Result<ControlFlow<()>, IntakeError> {
        let report = if self.worker.checkpoint().closed {
            BatchReport::default()
        } else {
            let decoded = batch.decoded(self.source.name, self.stored.first_seen());
            let rows = batch.rows().len() as u64;
            self.worker.take(decoded, Sequence::from(number), rows, ending.is_some()).await?
        };
        self.stored.tally.add(&report.reasons, batch);
        self.stored.told_through = number;
        self.stored.ending = ending;
        self.stored.put(&self.ingest.state, &self.partition).await?;
        self.tell(&report, progress).await
    }

    /// Rows up to `number` that were taken in, and whose reasons were not kept. What validation does not refuse, a rule on
    /// identifiers did.
    async fn retell(&mut self, batch: &Batch, number: u64) -> Result<(), IntakeError> {
        self.stored.tally.retell(batch);
        self.stored.told_through = number;
        if number >= self.done() {
            let known = self.stored.tally.total();
            let by_rules = self.worker.checkpoint().counts.quarantined.saturating_sub(known);
            self.stored.tally.count(Reason::BlockedIdentifiers.as_str(), by_rules);
        }
        self.stored.put(&self.ingest.state, &self.partition).await
    }

    /// The whole file becomes one refused row.
    async fn refuse(
        &mut self,
        detail: String,
        head: &[u8],
        progress: &mut (dyn FnMut(Progress<'_>) -> ControlFlow<()> + Send),
    ) -> Result<(), IntakeError> {
        let is_over = self.worker.checkpoint().closed;
        let number = if is_over { self.done() } else { self.done() + 1 };
        let mut batch = Batch::default();
        batch.push_refused(number, head, Rejection::new(Reason::BadRow, format!("the file can't be read: {detail}")));
        if is_over {
            self.retell(&batch, number).await?;
        }
        let ending = Some(StoredEnding::Unreadable(detail));
        self.take(&batch, number, ending, progress).await.map(drop)
    }

    async fn tell(
        &mut self,
        batch: &BatchReport,
        progress: &mut (dyn FnMut(Progress<'_>) -> ControlFlow<()> + Send),
    ) -> Result<ControlFlow<()>, IntakeError> {
        let file = self.view();
        let now = self.ingest.clock.now();
        if file.status == Status::Running && now >= self.reported.plus_ms(REPORT_EVERY_MS) {
            self.file.put_report(&file).await.map_err(|error| self.io(error))?;
            self.reported = now;
        }
        Ok(progress(Progress { partition: &self.partition, batch, file: &file }))
    }

    async fn report(self) -> Result<FileReport, IntakeError> {
        let report = self.view();
        self.file.put_report(&report).await.map_err(|error| self.io(error))?;
        tracing::info!(
            source = report.source,
            rows = report.rows,
            taken = report.taken,
            refused = report.refused,
            "{}/{}: {:?}, {} of {} events taken",
            report.source,
            report.file,
            report.status,
            report.taken,
            report.events
        );
        Ok(report)
    }

    fn view(&self) -> FileReport {
        let counts = self.worker.checkpoint().counts;
        let name = self.file.name().to_owned();
        let (status, detail) = match &self.stored.ending {
            None => (Status::Running, None),
            Some(_) if name != self.stored.name => (Status::AlreadyTaken, Some(format!("as {}", self.stored.name))),
            Some(StoredEnding::Complete) => (Status::Done, None),
            Some(StoredEnding::CutOff(detail)) => {
                (Status::Truncated, Some(format!("truncated at row {}: {detail}", self.done())))
            }
            Some(StoredEnding::Unreadable(detail)) => (Status::Refused, Some(detail.clone())),
        };
        FileReport {
            file: name,
            source: self.source.name.to_owned(),
            status,
            detail,
            format: self.stored.format.clone(),
            compression: self.stored.compression.clone(),
            encoding: self.stored.encoding.clone(),
            read_bytes: self.read_bytes.filter(|_| status == Status::Running),
            rows: counts.records,
            events: counts.received,
            taken: counts.accepted,
            duplicates: counts.duplicates,
            refused: counts.quarantined,
            refused_by_reason: self.stored.tally.reasons.clone(),
            examples: self.stored.tally.examples.clone(),
            partition: self.partition.to_string(),
            first_seen: self.stored.first_seen().to_string(),
            started: self.started.to_string(),
            finished: (status != Status::Running).then(|| self.ingest.clock.now().to_string()),
            stamp: self.file.stamp().clone(),
            settings: self.settings.clone(),
        }
    }
}

impl From<Ending> for StoredEnding {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Complete => Self::Complete,
            Ending::CutOff { detail } => Self::CutOff(detail),
        }
    }
}
