//! Replay: rows of a table go through the stream again. What was refused, where other rules or a newer version may take it;
//! the events of another deployment's lake, to build this one's State and tables from them.
//!
//! Rows go in the order in which they were received, whatever files they lie in. So a place in that order says what is done, and
//! any number of interruptions go on behind it, though compaction has put other files in place of those that were read:
//! each page is looked up in the newest version of the table. And a person's events arrive as they did the first time, on
//! which identity depends.
//!
//! A crash may lie between an append and the note of it. A refused row is marked in State before it is appended: it goes at
//! most once in a deployment, by whichever replay. Events go again then, at most a chunk of them, with the message ids that they
//! had; ingest knows those and drops them.

mod job;
mod progress;

mod page;

mod calls;
mod refused;

use std::collections::BTreeSet;

use bytes::Bytes;
use cdp_event::{FileRow, PartitionId, Rejection, Timestamp};
use cdp_identity::BadItem;
use cdp_ports::{LakeReader, NewRecord, PortError, State, Stream, Version};

pub use job::{Choice, NotAJob, ReplayJob, What};
pub use progress::Progress;

use page::{PAGE, PAGE_OF_REFUSED, Page, Pages, Place};
use refused::Refused;

use crate::reading::Reading;

/// Fewer than a profile remembers messages of, so that a chunk that goes twice is known whole.
const EVENTS_AT_ONCE: usize = 500;
/// Marks of a chunk fit one transaction.
const REFUSED_AT_ONCE: usize = cdp_ports::MAX_TRANSACTION_ITEMS;
/// A chunk is one request to the stream.
const BYTES_AT_ONCE: usize = 4 << 20;

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(
        "{0} is this deployment's own lake: its events are in it already, and would be counted twice; \
         name the lake of another deployment, or replay into a fresh one"
    )]
    OwnLake(String),
    #[error("{0} is the id of a replay of other rows, which has begun; choose another one")]
    OtherJob(String),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("{0}; build a deployment anew from the lake: docs/replay.md")]
    Stored(#[from] BadItem),
}

pub struct Replay<'r, S, T, L> {
    pub state: &'r S,
    pub stream: &'r T,
    /// The one that the job reads: [`ReplayJob::lake`].
    pub lake: &'r L,
    pub remap: &'r Remap<'r>,
}

/// What a refused row comes to by the settings that its source has now.
pub type Remap<'r> = dyn Fn(&RefusedRow<'_>) -> Again + Sync + 'r;

#[derive(Clone, Copy, Debug)]
pub struct RefusedRow<'r> {
    pub source: &'r str,
    pub received_at: Timestamp,
    pub bytes: &'r [u8],
    pub of_file: Option<OfFile<'r>>,
}

/// A row of a file, by its number; and which of its events was refused, from 0.
#[derive(Clone, Copy, Debug)]
pub struct OfFile<'r> {
    pub number: u64,
    pub event: u32,
    pub row: &'r FileRow,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// It goes as it came.
    AsItIs,
    Mapped(Vec<Remapped>),
    /// No events can be made of it by itself.
    OnlyWithItsFile,
}

/// An event, or what is refused still, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remapped {
    pub bytes: Bytes,
    pub refused: Option<Rejection>,
}

impl<S: State, T: Stream, L: LakeReader> Replay<'_, S, T, L> {
    /// Works on the job until it is done, or `goes_on` says no; at least a chunk of rows. The first call writes the job down; a
    /// later one with the same id goes on with what was written.
    ///
    /// `Busy`: wait, and call again. `Stale`: another worker is at the same job, and goes on.
    pub async fn run(
        &self,
        job: &ReplayJob,
        now: impl Fn() -> Timestamp,
        goes_on: impl Fn() -> bool,
    ) -> Result<Progress, ReplayError> {
        let mut worker = self.begin(job).await?;
        let rows = match &job.what {
            What::Events { .. } => PAGE,
            What::Quarantine { .. } => PAGE_OF_REFUSED,
        };
        while !worker.progress.done {
            let page = worker.pages(rows).after(worker.progress.after.as_ref()).await?;
            if page.is_empty() {
                worker.progress.done = true;
                worker.note().await?;
                break;
            }
            let is_to_go_on = match &worker.progress.job.what {
                What::Events { .. } => worker.send_events(&page, &now, &goes_on).await?,
                What::Quarantine { .. } => worker.send_refused(&page, &now, &goes_on).await?,
            };
            if !is_to_go_on {
                break;
            }
        }
        Ok(worker.progress)
    }

    async fn begin(&self, job: &ReplayJob) -> Result<Worker<'_, S, T, L>, ReplayError> {
        let Self { state, stream, lake, remap } = *self;
        if let Some((version, progress)) = Progress::load_versioned(state, &job.id).await? {
            if !progress.job.has_same_rows(job) {
                return Err(ReplayError::OtherJob(job.id.clone()));
            }
            return Ok(Worker { state, stream, lake, remap, progress, version });
        }
        let at_most = Pages { lake, job, rows: PAGE }.at_most().await?;
        let progress = Progress::begin(job.clone(), at_most);
        let version = progress.put(state, None).await?;
        Ok(Worker { state, stream, lake, remap, progress, version })
    }
}

/// A job in hand: how far it is, and the version of the item that says so. Whoever else writes that item is found out by the
/// next note.
struct Worker<'w, S, T, L> {
    state: &'w S,
    stream: &'w T,
    lake: &'w L,
    remap: &'w Remap<'w>,
    progress: Progress,
    version: Version,
}

impl<S: State, T: Stream, L: LakeReader> Worker<'_, S, T, L> {
    fn pages(&self, rows: usize) -> Pages<'_, L> {
        Pages { lake: self.lake, job: &self.progress.job, rows }
    }

    /// Answers whether to go on.
    async fn send_events(
        &mut self,
        page: &Page,
        now: &impl Fn() -> Timestamp,
        goes_on: &impl Fn() -> bool,
    ) -> Result<bool, ReplayError> {
        let records = calls::records(self.lake, page).await?;
        for (chunk, last) in chunks(page, records, EVENTS_AT_ONCE, |record: &NewRecord| record.data.len()) {
            let sent = chunk.len() as u64;
            self.stream.append(chunk, now()).await?;
            self.progress.replayed = self.progress.replayed.saturating_add(sent);
            self.progress.after = last;
            self.note().await?;
            if !goes_on() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Answers whether to go on.
    async fn send_refused(
        &mut self,
        page: &Page,
        now: &impl Fn() -> Timestamp,
        goes_on: &impl Fn() -> bool,
    ) -> Result<bool, ReplayError> {
        let rows = refused::rows(self.lake, page).await?;
        for (chunk, last) in chunks(page, rows, REFUSED_AT_ONCE, Refused::bytes) {
            let mut again: Vec<_> = chunk.iter().filter_map(|row| Some((row, row.records(self.remap)?))).collect();
            let read_anew = self.read_anew(again.iter().filter_map(|(row, _)| row.file())).await?;
            again.retain(|(row, _)| row.file().is_none_or(|file| !read_anew.contains(&file)));
            let of_files = (chunk.len() - again.len()) as u64;
            self.progress.of_files = self.progress.of_files.saturating_add(of_files);
            let sent = refused::send(self.state, self.stream, &self.progress.job, again, now()).await?;
            self.progress.replayed = self.progress.replayed.saturating_add(sent.replayed);
            self.progress.passed_over = self.progress.passed_over.saturating_add(sent.passed_over);
            self.progress.after = last;
            self.note().await?;
            if !goes_on() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Those of the files whose rows have come again with the whole file. The others don't any more.
    async fn read_anew(&self, files: impl Iterator<Item = PartitionId>) -> Result<BTreeSet<PartitionId>, ReplayError> {
        let mut read_anew = BTreeSet::new();
        for file in BTreeSet::from_iter(files) {
            let mut reading = Reading::newest(self.state, &file).await?;
            if reading.partition != file {
                read_anew.insert(file);
            } else if !reading.is_last {
                // It begins to be read anew at this moment: the next look finds that.
                reading.be_last(self.state).await.map_err(PortError::busy_if_stale)?;
            }
        }
        Ok(read_anew)
    }

    async fn note(&mut self) -> Result<(), ReplayError> {
        self.version = self.progress.put(self.state, Some(self.version)).await?;
        Ok(())
    }
}

/// The page's rows in pieces, each with the place of its last row.
fn chunks<T>(page: &Page, rows: Vec<T>, most: usize, size: impl Fn(&T) -> usize) -> Vec<(Vec<T>, Option<Place>)> {
    let mut chunks: Vec<(Vec<T>, Option<Place>)> = Vec::new();
    let mut bytes = 0;
    for (row, place) in rows.into_iter().zip(page.places()) {
        bytes += size(&row);
        match chunks.last_mut() {
            Some((chunk, last)) if chunk.len() < most && bytes <= BYTES_AT_ONCE => {
                chunk.push(row);
                *last = Some(place.clone());
            }
            Some(_) | None => {
                bytes = size(&row);
                chunks.push((vec![row], Some(place.clone())));
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests;
