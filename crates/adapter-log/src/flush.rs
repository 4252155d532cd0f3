//! The one thread that writes: takes what waits, writes and syncs it, and tells all who wait for it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use tokio::sync::watch;

use crate::LogError;
use crate::append::{Pending, Queue};
use crate::segment::{Point, Segment};
use crate::shard::Shard;

/// How far the log is durable.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// Batches with a smaller number are.
    pub batches: u64,
    /// Why there will be no more.
    pub ended: Option<Arc<str>>,
}

pub(crate) struct Flusher {
    queue: Arc<Queue>,
    shards: Arc<Vec<Shard>>,
    /// Of each shard's last segment.
    files: Vec<File>,
    progress: Arc<watch::Sender<Progress>>,
    segment_bytes: u64,
}

/// Whatever ends the thread, nobody waits for it in vain.
impl Drop for Flusher {
    fn drop(&mut self) {
        let why = if thread::panicking() { "the thread that writes panicked" } else { "the log was closed" };
        self.progress.send_modify(|progress| {
            progress.ended.get_or_insert_with(|| Arc::from(why));
        });
    }
}

impl Flusher {
    pub fn new(
        queue: Arc<Queue>,
        shards: Arc<Vec<Shard>>,
        files: Vec<File>,
        progress: Arc<watch::Sender<Progress>>,
        segment_bytes: u64,
    ) -> Self {
        Self { queue, shards, files, progress, segment_bytes }
    }

    /// Until the log is closed, or can't go on.
    pub fn run(mut self) {
        let mut taken = vec![];
        while let Some(batch) = self.queue.take(&mut taken) {
            if let Err(error) = self.flush(&mut taken) {
                tracing::error!("the log takes no more records: {error}");
                self.progress.send_modify(|progress| progress.ended = Some(Arc::from(error.to_string())));
                return;
            }
            self.queue.wrote(taken.iter().map(|pending| pending.buffer.len()).sum());
            self.progress.send_modify(|progress| progress.batches = batch + 1);
        }
    }

    /// What fails here is never tried again: after a failed sync the system may take lost pages for written ones.
    fn flush(&mut self, taken: &mut [Pending]) -> Result<(), LogError> {
        let mut written = vec![];
        for ((shard, file), pending) in self.shards.iter().zip(&mut self.files).zip(taken) {
            let Some(first) = pending.points.first() else { continue };
            let segment = segment_for(shard, file, first.sequence, self.segment_bytes)?;
            let start = segment.readable();
            file.write_all_at(&pending.buffer, start).map_err(LogError::io("write", &segment.path))?;
            written.push((shard, file, pending, segment, start));
        }
        sync_all(written.iter().map(|(_, file, _, segment, _)| (&**file, &**segment)))?;
        for (shard, _, pending, segment, start) in written {
            let points = pending.points.iter().map(|point| Point { offset: start + point.offset, ..*point });
            shard.publish(&segment, start + pending.buffer.len() as u64, points, pending.next);
        }
        Ok(())
    }
}

/// The segment to write to, by `file`. A batch is never cut: a segment is full when it reached its size before.
fn segment_for(shard: &Shard, file: &mut File, first: u64, segment_bytes: u64) -> Result<Arc<Segment>, LogError> {
    if let Some(last) = shard.last_segment()
        && last.readable() < segment_bytes
    {
        return Ok(last);
    }
    let (segment, new_file) = Segment::create(shard.dir(), first)?;
    *file = new_file;
    Ok(Arc::new(segment))
}

/// All at once: a disk takes several syncs in little more than the time of one.
fn sync_all<'f>(mut files: impl Iterator<Item = (&'f File, &'f Segment)>) -> Result<(), LogError> {
    let sync = |(file, segment): (&File, &Segment)| file.sync_data().map_err(LogError::io("sync", &segment.path));
    let Some(own) = files.next() else { return Ok(()) };
    thread::scope(|scope| {
        let others: Vec<_> = files.map(|other| scope.spawn(move || sync(other))).collect();
        let outcome = sync(own);
        let outcomes = others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        outcomes.fold(outcome, Result::and)
    })
}
