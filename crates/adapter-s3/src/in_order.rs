//! From the first byte to the last: one part is read while the next one is on its way.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use cdp_ports::{FaultKind, PortError, PortResult};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::ranges::{Ranges, fetch, wait};

const PART: u64 = 8 << 20;

pub(crate) struct InOrder<R> {
    ranges: Arc<R>,
    runtime: Handle,
    part: Bytes,
    /// Where the part ends.
    at: u64,
    /// The part that comes next.
    coming: Option<JoinHandle<PortResult<Bytes>>>,
}

impl<R: Ranges> InOrder<R> {
    pub fn new(ranges: Arc<R>, runtime: Handle) -> Self {
        Self { ranges, runtime, part: Bytes::new(), at: 0, coming: None }
    }

    /// `None`: there is nothing behind `from`.
    fn ask(&self, from: u64) -> Option<JoinHandle<PortResult<Bytes>>> {
        let range = from..self.ranges.length().min(from + PART);
        let ranges = self.ranges.clone();
        (!range.is_empty()).then(|| self.runtime.spawn(async move { fetch(&*ranges, range).await }))
    }
}

impl<R: Ranges> Read for InOrder<R> {
    /// After a fault, it is asked again for what did not come.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.part.is_empty() {
            let Some(coming) = self.coming.take().or_else(|| self.ask(self.at)) else { return Ok(0) };
            let part = wait(&self.runtime, async { coming.await.unwrap_or_else(|lost| Err(of_lost(lost))) })?;
            self.at += part.len() as u64;
            self.part = part;
            self.coming = self.ask(self.at);
        }
        let count = self.part.len().min(into.len());
        self.part.copy_to_slice(&mut into[..count]);
        Ok(count)
    }
}

impl<R> Drop for InOrder<R> {
    fn drop(&mut self) {
        if let Some(coming) = &self.coming {
            coming.abort();
        }
    }
}

/// The runtime stops, or a task of it is broken.
fn of_lost(lost: tokio::task::JoinError) -> PortError {
    PortError::because(FaultKind::Busy, "read the next part", lost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranges::memory::Memory;

    #[tokio::test(flavor = "multi_thread")]
    async fn all_bytes_come_in_order_each_once() {
        for length in [0, 1, PART as usize - 1, PART as usize, PART as usize + 1, 3 * PART as usize + 17] {
            let memory = Arc::new(Memory::of_length(length));
            let mut read = Vec::new();
            InOrder::new(memory.clone(), Handle::current()).read_to_end(&mut read).expect("nothing fails");
            assert!(read == memory.bytes, "{length} bytes");
            assert_eq!(memory.requests(), length.div_ceil(PART as usize), "{length} bytes");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_fault_loses_no_bytes() {
        let memory = Arc::new(Memory::of_length(PART as usize * 3));
        let mut reader = InOrder::new(memory.clone(), Handle::current());
        let mut read = Vec::new();
        memory.fails_next(FaultKind::Broken);
        let error = reader.read_to_end(&mut read).expect_err("the first request fails");
        assert!(error.get_ref().is_some_and(|inner| inner.is::<PortError>()), "{error:?}");
        reader.read_to_end(&mut read).expect("it was one fault");
        assert!(read == memory.bytes);
    }
}
