//! What waits to be written: one buffer for each shard, filled by whoever appends, taken by the flusher.

use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use cdp_event::{Sequence, Timestamp};
use cdp_ports::NewRecord;

use crate::frame::encode;
use crate::segment::{POINT_EVERY_BYTES, Point, stored_bytes};

/// What is kept of a buffer between batches.
const KEPT_BUFFER_BYTES: usize = 1 << 20;

/// The writes of one shard in one batch.
#[derive(Default)]
pub(crate) struct Pending {
    pub buffer: Vec<u8>,
    /// Offsets are relative to the buffer.
    pub points: Vec<Point>,
    /// The sequence number after the last record of the buffer.
    pub next: u64,
}

pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    max_bytes: usize,
}

struct Waiting {
    shards: Vec<Pending>,
    /// The number of the batch that gathers.
    batch: u64,
    /// Of the batch that gathers, and of the one that is being written.
    bytes: usize,
    is_closed: bool,
}

/// What an append got: its places, and the batch to wait for.
pub(crate) struct Ticket {
    pub batch: u64,
    pub sequences: Vec<Sequence>,
}

impl Queue {
    /// `tips`: the next sequence number of each shard.
    pub fn new(tips: impl Iterator<Item = u64>, max_bytes: usize) -> Self {
        let shards = tips.map(|next| Pending { next, ..Pending::default() }).collect();
        let waiting = Waiting { shards, batch: 0, bytes: 0, is_closed: false };
        Self { waiting: Mutex::new(waiting), arrived: Condvar::new(), max_bytes }
    }

    /// `shards`: each record's own. `None`: too much is waiting already.
    pub fn push(&self, records: &[NewRecord], shards: &[usize], now: Timestamp) -> Option<Ticket> {
        let contents = records.iter().map(|record| record.partition_key.len() + record.data.len()).sum();
        let bytes = stored_bytes(records.len(), contents);
        let mut waiting = self.lock();
        if waiting.bytes > 0 && waiting.bytes + bytes > self.max_bytes {
            return None;
        }
        let mut sequences = Vec::with_capacity(records.len());
        for (record, shard) in records.iter().zip(shards) {
            let pending = waiting.shards.get_mut(*shard)?;
            let (sequence, offset) = (pending.next, pending.buffer.len() as u64);
            if pending.points.last().is_none_or(|last| offset >= last.offset + POINT_EVERY_BYTES) {
                pending.points.push(Point { sequence, offset });
            }
            encode(&mut pending.buffer, sequence, now, &record.partition_key, &record.data);
            pending.next += 1;
            sequences.push(Sequence::from(sequence));
        }
        waiting.bytes += bytes;
        let batch = waiting.batch;
        drop(waiting);
        self.arrived.notify_one();
        Some(Ticket { batch, sequences })
    }

    /// Waits for a batch and takes it: its number is answered, its writes are swapped into `taken`. `None`: the log is
    /// closed, and nothing waits.
    pub fn take(&self, taken: &mut Vec<Pending>) -> Option<u64> {
        let mut waiting = self.lock();
        while waiting.bytes == 0 {
            if waiting.is_closed {
                return None;
            }
            waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        taken.resize_with(waiting.shards.len(), Pending::default);
        for (gathered, taken) in waiting.shards.iter_mut().zip(taken) {
            taken.buffer.clear();
            taken.buffer.shrink_to(KEPT_BUFFER_BYTES);
            taken.points.clear();
            taken.next = gathered.next;
            mem::swap(gathered, taken);
        }
        waiting.batch += 1;
        Some(waiting.batch - 1)
    }

    /// `bytes` of the batch that was taken are written.
    pub fn wrote(&self, bytes: usize) {
        let mut waiting = self.lock();
        waiting.bytes = waiting.bytes.saturating_sub(bytes);
    }

    pub fn close(&self) {
        self.lock().is_closed = true;
        self.arrived.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn record(data: &'static str) -> NewRecord {
        NewRecord { partition_key: "key".into(), explicit_hash_key: None, data: Bytes::from_static(data.as_bytes()) }
    }

    #[test]
    fn what_gathers_and_what_is_being_written_is_bounded() {
        let queue = Queue::new([0].into_iter(), 100);
        let now = Timestamp::from_ms(0);
        let push = |data| queue.push(&[record(data)], &[0], now).map(|ticket| ticket.batch);
        assert_eq!(push("x"), Some(0));
        assert_eq!(push("y"), Some(0));
        assert_eq!(push("z"), None, "three records of 34 bytes are more than 100");
        let mut taken = vec![];
        assert_eq!(queue.take(&mut taken), Some(0));
        assert_eq!(push("z"), None, "the others are not yet written");
        let written = taken[0].buffer.len();
        queue.wrote(written);
        assert_eq!(push("z"), Some(1));
        queue.take(&mut taken);
        assert_eq!(push(""), Some(2), "34 and 33");
    }

    #[test]
    fn a_single_append_may_be_larger_than_the_bound() {
        let queue = Queue::new([0].into_iter(), 10);
        assert!(queue.push(&[record("larger than ten bytes")], &[0], Timestamp::from_ms(0)).is_some());
    }
}
