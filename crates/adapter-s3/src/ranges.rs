//! Bytes that are asked for by range, and what is done about a range that comes in part.

use std::io;
use std::ops::Range;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use cdp_ports::{FaultKind, PortError, PortResult};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

/// Asked again so often, if nothing comes.
const TRIES: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(50);

pub(crate) trait Ranges: Send + Sync + 'static {
    fn length(&self) -> u64;

    /// Appends the bytes of `range`. What came before a fault is appended too, and is right.
    fn get(&self, range: Range<u64>, into: &mut BytesMut) -> impl Future<Output = PortResult<()>> + Send;
}

/// All bytes of `range`. A read that fails in the middle goes on from there.
pub(crate) async fn fetch(ranges: &impl Ranges, range: Range<u64>) -> PortResult<Bytes> {
    let wanted = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let mut read = BytesMut::with_capacity(wanted);
    let mut in_vain = 0;
    while read.len() < wanted {
        let before = read.len();
        let outcome = ranges.get(range.start + before as u64..range.end, &mut read).await;
        in_vain = if read.len() > before { 0 } else { in_vain + 1 };
        match outcome {
            Ok(()) if in_vain < TRIES => {}
            Err(fault) if fault.kind == FaultKind::Busy && in_vain < TRIES => {
                tokio::time::sleep(fault.retry_after.unwrap_or(FIRST_WAIT * (1 << in_vain))).await;
            }
            Ok(()) => {
                let action = format!("read bytes {} to {}", range.start, range.end);
                return Err(PortError::because(FaultKind::Busy, action, "no bytes come"));
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(read.freeze())
}

/// Waits on a thread of the runtime, which runs on with another one meanwhile.
pub(crate) fn wait<T>(runtime: &Handle, work: impl Future<Output = PortResult<T>>) -> io::Result<T> {
    block_in_place(|| runtime.block_on(work)).map_err(io::Error::other)
}

#[cfg(test)]
pub(crate) mod memory {
    //! An object in memory that fails as objects do.

    use std::sync::Mutex;

    use super::*;

    /// What becomes of a request.
    #[derive(Clone, Copy, Debug)]
    pub enum Fate {
        Answered,
        /// So many bytes come, then the connection breaks.
        BreaksAfter(usize),
        Fails(FaultKind),
    }

    pub struct Memory {
        pub bytes: Vec<u8>,
        /// Of the requests to come; those after them are answered.
        pub fates: Mutex<Vec<Fate>>,
        pub asked: Mutex<Vec<Range<u64>>>,
    }

    impl Memory {
        pub fn new(bytes: Vec<u8>, mut fates: Vec<Fate>) -> Self {
            fates.reverse();
            Self { bytes, fates: Mutex::new(fates), asked: Mutex::default() }
        }

        pub fn of_length(length: usize) -> Self {
            Self::new((0..length).map(|at| (at % 251) as u8).collect(), vec![])
        }

        pub fn fails_next(&self, kind: FaultKind) {
            self.fates.lock().expect("no test panics here").push(Fate::Fails(kind));
        }

        pub fn requests(&self) -> usize {
            self.asked.lock().expect("no test panics here").len()
        }
    }

    impl Ranges for Memory {
        fn length(&self) -> u64 {
            self.bytes.len() as u64
        }

        async fn get(&self, range: Range<u64>, into: &mut BytesMut) -> PortResult<()> {
            self.asked.lock().expect("no test panics here").push(range.clone());
            let fate = self.fates.lock().expect("no test panics here").pop().unwrap_or(Fate::Answered);
            let bytes = &self.bytes[range.start as usize..range.end as usize];
            match fate {
                Fate::Answered => into.extend_from_slice(bytes),
                Fate::BreaksAfter(count) => {
                    into.extend_from_slice(&bytes[..count.min(bytes.len())]);
                    return Err(PortError::new(FaultKind::Busy, "a broken connection"));
                }
                Fate::Fails(kind) => return Err(PortError::new(kind, "a fault")),
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::memory::{Fate, Memory};
    use super::*;

    /// Each case: what becomes of the requests; from where the range is asked for, and the fault in the end.
    #[tokio::test(start_paused = true)]
    async fn a_range_is_gone_on_with_where_it_broke() {
        use Fate::{Answered, BreaksAfter, Fails};
        use FaultKind::{Broken, Busy, Stale};
        for (fates, asked_from, fault) in [
            (vec![Answered], vec![10], None),
            (vec![BreaksAfter(30), Answered], vec![10, 40], None),
            (vec![BreaksAfter(30), BreaksAfter(0), BreaksAfter(1)], vec![10, 40, 40, 41], None),
            (vec![Fails(Busy); 4], vec![10; 5], None),
            (vec![Fails(Busy); 5], vec![10; 5], Some(Busy)),
            (vec![BreaksAfter(30), Fails(Stale)], vec![10, 40], Some(Stale)),
            (vec![Fails(Broken)], vec![10], Some(Broken)),
        ] {
            let memory = Memory::new((0..100).collect(), fates.clone());
            let outcome = fetch(&memory, 10..90).await;
            assert_eq!(outcome.as_ref().err().map(|error| error.kind), fault, "{fates:?}");
            if let Ok(bytes) = outcome {
                assert_eq!(bytes, memory.bytes[10..90], "{fates:?}");
            }
            let asked: Vec<_> = asked_from.into_iter().map(|from| from..90).collect();
            assert_eq!(*memory.asked.lock().expect("no test panics here"), asked, "{fates:?}");
        }
    }
}
