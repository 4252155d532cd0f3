//! Random access. A reader of Parquet comes back to the same neighbourhood for each page: a header, then what it announces; so
//! whole blocks are read, and the last ones kept.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};
use tokio::runtime::Handle;

use crate::ranges::{Ranges, fetch, wait};

const BLOCK: u64 = 512 << 10;
/// 64 MiB: a block for each of 128 columns.
const MOST_KEPT: usize = 128;
/// A large read asks for so many at once.
const AT_ONCE: u64 = 16;

pub(crate) struct Blocks<R> {
    ranges: Arc<R>,
    runtime: Handle,
    /// By their numbers; the one that was used last is the last one.
    kept: Mutex<VecDeque<(u64, Bytes)>>,
}

impl<R: Ranges> Blocks<R> {
    pub fn new(ranges: Arc<R>, runtime: Handle) -> Self {
        Self { ranges, runtime, kept: Mutex::default() }
    }

    /// Some of the bytes at `offset`; none only behind the last.
    pub fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() || offset >= self.ranges.length() {
            return Ok(0);
        }
        let number = offset / BLOCK;
        let block = match self.find(number) {
            Some(block) => block,
            None => self.load(number, (offset + into.len() as u64).div_ceil(BLOCK))?,
        };
        let skipped = usize::try_from(offset % BLOCK).unwrap_or(usize::MAX);
        let mut rest = block.get(skipped..).unwrap_or_default();
        let count = rest.len().min(into.len());
        rest.copy_to_slice(&mut into[..count]);
        Ok(count)
    }

    fn find(&self, number: u64) -> Option<Bytes> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, _)| *known == number)?;
        let found = kept.remove(at)?;
        let block = found.1.clone();
        kept.push_back(found);
        Some(block)
    }

    /// Reads blocks from `first` on, up to `end`; answers the first.
    fn load(&self, first: u64, end: u64) -> io::Result<Bytes> {
        let end = end.clamp(first + 1, first + AT_ONCE);
        let range = first * BLOCK..self.ranges.length().min(end * BLOCK);
        let mut read = wait(&self.runtime, fetch(&*self.ranges, range))?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answer = Bytes::new();
        for number in first..end {
            // A copy: a slice would keep all that was read with it.
            let block = Bytes::copy_from_slice(&read.split_to(read.len().min(BLOCK as usize)));
            if number == first {
                answer = block.clone();
            }
            kept.retain(|(known, _)| *known != number);
            kept.push_back((number, block));
        }
        let surplus = kept.len().saturating_sub(MOST_KEPT);
        kept.drain(..surplus);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use cdp_ports::FaultKind;

    use super::*;
    use crate::ranges::memory::Memory;

    const MIB: usize = 1 << 20;

    fn read(blocks: &Blocks<Memory>, offset: usize, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let mut done = 0;
        while done < length {
            match blocks.read_at((offset + done) as u64, &mut bytes[done..]).expect("nothing fails") {
                0 => break,
                count => done += count,
            }
        }
        bytes.truncate(done);
        bytes
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_asked_for_comes_and_neighbours_cost_no_request() {
        let memory = Arc::new(Memory::of_length(20 * MIB + 5));
        let blocks = Blocks::new(memory.clone(), Handle::current());
        for (offset, length, requests) in [
            (20 * MIB - 3, 8, 1),
            (20 * MIB + 1, 100, 1),
            (0, 100, 2),
            (100, 4000, 2),
            (MIB / 2 - 10, 20, 3),
            (2 * MIB, 3 * MIB, 4),
            (4 * MIB, MIB, 4),
            (6 * MIB, 12 * MIB, 6),
            (30 * MIB, 10, 6),
        ] {
            let end = (offset + length).min(memory.bytes.len());
            assert!(read(&blocks, offset, length) == memory.bytes[offset.min(end)..end], "{length} bytes at {offset}");
            assert_eq!(memory.requests(), requests, "{length} bytes at {offset}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn as_much_is_kept_as_is_promised_and_a_fault_keeps_nothing() {
        let memory = Arc::new(Memory::of_length(80 * MIB));
        let blocks = Blocks::new(memory.clone(), Handle::current());
        memory.fails_next(FaultKind::Stale);
        assert!(blocks.read_at(0, &mut [0; 8]).is_err());
        read(&blocks, 0, 80 * MIB);
        let kept = blocks.kept.lock().expect("no test panics here");
        assert_eq!(kept.iter().map(|(_, block)| block.len()).sum::<usize>(), 64 * MIB);
        assert_eq!(kept.front().map(|(number, _)| *number), Some(32));
    }
}
