//! One file of consecutive records.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use bytestring::ByteString;
use cdp_event::{Record, Sequence, Timestamp};

use crate::LogError;
use crate::folder::sync_dir;
use crate::frame::{Frame, OVERHEAD, Parsed, parse};

pub(crate) const MAGIC: &[u8; 8] = b"CDPSEG1\n";
pub(crate) const SUFFIX: &str = ".seg";

const MAX_READ_BYTES: usize = 1 << 20;
const MIN_READ_BYTES: usize = 64 << 10;
pub(crate) const POINT_EVERY_BYTES: u64 = 64 << 10;

/// Where a record begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub sequence: u64,
    pub offset: u64,
}

pub(crate) struct Segment {
    pub first: u64,
    pub path: PathBuf,
    /// How much of the file may be read: what was synced.
    readable: AtomicU64,
    /// Invariant: never empty, ascending. Dense where this process wrote or read, so a read seldom walks far.
    points: Mutex<Vec<Point>>,
}

/// What a reader still wants.
pub(crate) struct Wanted {
    pub records: Vec<Record>,
    pub max_records: usize,
    pub max_bytes: usize,
    bytes: usize,
    is_full: bool,
}

impl Wanted {
    pub fn new(max_records: usize, max_bytes: usize) -> Self {
        Self { records: vec![], max_records, max_bytes, bytes: 0, is_full: max_records == 0 }
    }

    pub fn is_enough(&self) -> bool {
        self.is_full
    }

    /// False: there is no room for a record of so many bytes, and it is enough.
    fn take(&mut self, bytes: usize) -> bool {
        let has_room = self.records.is_empty() || bytes <= self.max_bytes.saturating_sub(self.bytes);
        self.is_full = !has_room;
        has_room
    }

    fn push(&mut self, record: Record) {
        self.bytes += record.data.len();
        self.records.push(record);
        self.is_full = self.records.len() >= self.max_records || self.bytes >= self.max_bytes;
    }

    /// How much to read at once: what is still wanted, and some more for the records' heads.
    fn read_bytes(&self) -> usize {
        const USUAL_RECORD: usize = 4 << 10;
        let by_records = (self.max_records - self.records.len()).saturating_mul(USUAL_RECORD);
        let by_bytes = self.max_bytes.saturating_sub(self.bytes);
        by_records.min(by_bytes).saturating_add(MIN_READ_BYTES).min(MAX_READ_BYTES)
    }
}

impl Segment {
    /// A new segment whose name is durable, and the file to write it by.
    pub fn create(dir: &Path, first: u64) -> Result<(Self, File), LogError> {
        let path = dir.join(format!("{first:020}{SUFFIX}"));
        let file = OpenOptions::new().create_new(true).write(true).open(&path);
        let file = file.map_err(LogError::io("make", &path))?;
        file.write_all_at(MAGIC, 0).and_then(|()| file.sync_all()).map_err(LogError::io("write", &path))?;
        sync_dir(dir)?;
        let start = Point { sequence: first, offset: MAGIC.len() as u64 };
        Ok((Self::new(path, first, start.offset, vec![start]), file))
    }

    /// `readable` bytes were synced. `points` has the first record's place, and may have more.
    pub fn new(path: PathBuf, first: u64, readable: u64, points: Vec<Point>) -> Self {
        Self { first, path, readable: AtomicU64::new(readable), points: Mutex::new(points) }
    }

    pub fn readable(&self) -> u64 {
        self.readable.load(Ordering::Acquire)
    }

    pub fn grow(&self, readable: u64, points: impl IntoIterator<Item = Point>) {
        self.add_points(points);
        self.readable.store(readable, Ordering::Release);
    }

    /// Reads from record `from` on, until `wanted` has enough or record `end` is reached, which is in the next segment.
    pub fn read(&self, from: u64, end: u64, wanted: &mut Wanted) -> Result<(), LogError> {
        let mut at = self.point_before(from);
        let mut at_least = 0;
        while at.sequence < end && !wanted.is_enough() {
            let chunk = self.read_chunk(at.offset, wanted.read_bytes().max(at_least))?;
            let mut points = vec![];
            let start = at.offset;
            at_least = loop {
                if at.sequence >= end || wanted.is_enough() {
                    break 0;
                }
                let place = (at.offset - start) as usize;
                let frame = match parse(&chunk, place) {
                    Parsed::Frame(frame) if frame.sequence == at.sequence => frame,
                    Parsed::Frame(frame) => {
                        let what = format!("record {} stands where {} should", frame.sequence, at.sequence);
                        return Err(LogError::damaged(&self.path, at.offset, what));
                    }
                    Parsed::Short(length) if at.offset + length as u64 <= self.readable() => break length,
                    Parsed::Short(_) => {
                        let what = format!("the file ends before record {}", end - 1);
                        return Err(LogError::damaged(&self.path, at.offset, what));
                    }
                    Parsed::Bad(what) => {
                        let what = format!("record {}: {what}", at.sequence);
                        return Err(LogError::damaged(&self.path, at.offset, what));
                    }
                };
                if at.sequence >= from {
                    if !wanted.take(frame.data.len()) {
                        break 0;
                    }
                    wanted.push(self.record(&chunk, &frame, at.offset)?);
                }
                at = Point { sequence: at.sequence + 1, offset: start + frame.data.end as u64 };
                points.push(at);
            };
            self.add_points(points);
        }
        Ok(())
    }

    /// When the first record arrived. `None`: there is none.
    pub fn first_arrival(&self) -> Result<Option<Timestamp>, LogError> {
        let mut wanted = Wanted::new(1, 0);
        if self.readable() > MAGIC.len() as u64 {
            self.read(self.first, self.first + 1, &mut wanted)?;
        }
        Ok(wanted.records.first().map(|record| record.arrived_at))
    }

    fn record(&self, chunk: &Bytes, frame: &Frame, offset: u64) -> Result<Record, LogError> {
        let key = ByteString::try_from(chunk.slice(frame.key.clone()));
        let key = key.map_err(|_| LogError::damaged(&self.path, offset, "the partition key is no UTF-8"))?;
        Ok(Record {
            sequence: Sequence::from(frame.sequence),
            arrived_at: frame.arrived_at,
            partition_key: key,
            data: chunk.slice(frame.data.clone()),
        })
    }

    /// Opens the file each time, which costs little beside the read: there may be more segments than a process may have
    /// files.
    fn read_chunk(&self, offset: u64, bytes: usize) -> Result<Bytes, LogError> {
        let left = self.readable().saturating_sub(offset);
        let wanted = bytes.min(usize::try_from(left).unwrap_or(usize::MAX));
        // `read_to_end` fills memory that nobody has cleared first.
        let mut chunk = Vec::with_capacity(wanted);
        let mut read = || {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(offset))?;
            file.take(wanted as u64).read_to_end(&mut chunk)
        };
        match read().map_err(LogError::io("read", &self.path))? {
            read if read == wanted => Ok(chunk.into()),
            read => Err(LogError::damaged(&self.path, offset + read as u64, "the file ends here")),
        }
    }

    fn point_before(&self, sequence: u64) -> Point {
        let points = self.points();
        let after = points.partition_point(|point| point.sequence <= sequence);
        let start = Point { sequence: self.first, offset: MAGIC.len() as u64 };
        after.checked_sub(1).and_then(|at| points.get(at).copied()).unwrap_or(start)
    }

    fn add_points(&self, new: impl IntoIterator<Item = Point>) {
        let mut points = self.points();
        for point in new {
            if points.last().is_none_or(|last| point.offset >= last.offset + POINT_EVERY_BYTES) {
                points.push(point);
            }
        }
    }

    fn points(&self) -> MutexGuard<'_, Vec<Point>> {
        self.points.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The least that `records` with `bytes` of keys and data take in a segment.
pub(crate) fn stored_bytes(records: usize, bytes: usize) -> usize {
    records * OVERHEAD + bytes
}
