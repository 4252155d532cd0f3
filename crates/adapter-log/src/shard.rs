//! One shard as readers see it: its segments, and how far they are durable.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cdp_event::{PartitionId, Record, Sequence, Timestamp};

use crate::LogError;
use crate::folder::sync_dir;
use crate::recovery::recover;
use crate::segment::{Point, Segment, Wanted};

pub(crate) struct Shard {
    pub id: PartitionId,
    dir: PathBuf,
    seen: Mutex<Seen>,
    grown: Condvar,
}

struct Seen {
    /// Invariant: ascending, without gaps, never empty. The last one grows.
    segments: VecDeque<Arc<Segment>>,
    /// The sequence number of the next record: all below it are durable.
    tip: u64,
}

impl Seen {
    fn oldest(&self) -> u64 {
        self.segments.front().map_or(self.tip, |segment| segment.first)
    }
}

impl Shard {
    /// The shard, and the file to write its last segment by.
    pub fn open(id: PartitionId, dir: PathBuf) -> Result<(Self, File), LogError> {
        let recovered = recover(&dir)?;
        let segments = recovered.segments.into_iter().map(Arc::new).collect();
        let seen = Mutex::new(Seen { segments, tip: recovered.tip });
        Ok((Self { id, dir, seen, grown: Condvar::new() }, recovered.file))
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn tip(&self) -> u64 {
        self.seen().tip
    }

    pub fn oldest(&self) -> u64 {
        self.seen().oldest()
    }

    /// The one that grows.
    pub fn last_segment(&self) -> Option<Arc<Segment>> {
        self.seen().segments.back().cloned()
    }

    pub fn read(&self, after: Option<Sequence>, max_records: usize, max_bytes: usize) -> Result<Vec<Record>, LogError> {
        let mut wanted = Wanted::new(max_records, max_bytes);
        let Some(mut next) = following(after) else { return Ok(vec![]) };
        while !wanted.is_enough()
            && let Some((segment, from, end)) = self.segment_of(next)
        {
            let had = wanted.records.len();
            match segment.read(from, end, &mut wanted) {
                Ok(()) => next = from + (wanted.records.len() - had) as u64,
                // It was trimmed meanwhile: go on where the log begins now.
                Err(_) if self.oldest() > from => wanted.records.truncate(had),
                Err(error) => return Err(error),
            }
        }
        Ok(wanted.records)
    }

    /// The segment to read record `next` from, the record that is there of it (older ones may be gone), and where the
    /// segment ends. `None`: the record is not there yet.
    fn segment_of(&self, next: u64) -> Option<(Arc<Segment>, u64, u64)> {
        let seen = self.seen();
        let from = next.max(seen.oldest());
        if from >= seen.tip {
            return None;
        }
        let following = seen.segments.partition_point(|segment| segment.first <= from);
        let segment = seen.segments.get(following.checked_sub(1)?)?;
        let end = seen.segments.get(following).map_or(seen.tip, |next| next.first);
        Some((Arc::clone(segment), from, end))
    }

    /// Waits until there is a record after `after`. False: there was none in time.
    pub fn wait(&self, after: Option<Sequence>, timeout: Duration) -> bool {
        let Some(next) = following(after) else { return false };
        let waited = self.grown.wait_timeout_while(self.seen(), timeout, |seen| seen.tip <= next);
        let (seen, _) = waited.unwrap_or_else(PoisonError::into_inner);
        seen.tip > next
    }

    /// Shows readers what was synced: the records below `tip`, in `readable` bytes of the last segment.
    pub fn publish(&self, segment: &Arc<Segment>, readable: u64, points: impl IntoIterator<Item = Point>, tip: u64) {
        segment.grow(readable, points);
        let mut seen = self.seen();
        if seen.segments.back().is_none_or(|last| last.first < segment.first) {
            seen.segments.push_back(Arc::clone(segment));
        }
        seen.tip = tip;
        drop(seen);
        self.grown.notify_all();
    }

    /// Deletes whole segments whose records are all below `below` and came before `older_than`. The last one stays.
    /// Answers how many records went.
    pub fn trim(&self, below: Sequence, older_than: Timestamp) -> Result<u64, LogError> {
        let mut removed = 0;
        loop {
            let (first, next) = {
                let seen = self.seen();
                let (Some(first), Some(next)) = (seen.segments.front(), seen.segments.get(1)) else { break };
                (Arc::clone(first), Arc::clone(next))
            };
            // What came after this segment tells when it was full, without reading it.
            let is_old = next.first_arrival()?.is_some_and(|arrived_at| arrived_at <= older_than);
            if Sequence::from(next.first) > below || !is_old {
                break;
            }
            // First out of sight, so that no new reader looks for a file that is gone.
            self.seen().segments.pop_front();
            fs::remove_file(&first.path).map_err(LogError::io("delete", &first.path))?;
            removed += next.first - first.first;
        }
        if removed > 0 {
            sync_dir(&self.dir)?;
        }
        Ok(removed)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first number after `after`. `None`: it is beyond what a local log counts.
fn following(after: Option<Sequence>) -> Option<u64> {
    match after {
        Some(after) => after.as_u64()?.checked_add(1),
        None => Some(0),
    }
}
