//! The bytes of a dropped file, wherever they lie: a file, an object of a bucket, memory.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use cdp_ports::PortError;
use sha2::{Digest, Sha256};

/// Each read stands for itself: no reader moves another. An error that comes from the place where the bytes lie, and may pass,
/// is one of the operating system, or wraps a [`PortError`]; any other is a fault of the bytes themselves.
pub trait Content: Send + Sync {
    /// How many bytes there are.
    fn length(&self) -> u64;

    /// All of them, from the first to the last.
    fn in_order(self: Arc<Self>) -> Box<dyn Read + Send>;

    /// Some of those that stand at `offset`, at most as many as fit; none only behind the last. Those that come after them
    /// are likely to be asked for next.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;
}

impl Content for Bytes {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn in_order(self: Arc<Self>) -> Box<dyn Read + Send> {
        Box::new(Placed::new(self, 0))
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let at = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        (&self[at..]).read(into)
    }
}

/// Reads on from a place.
pub(crate) struct Placed<C: ?Sized> {
    content: Arc<C>,
    at: u64,
}

impl<C: Content + ?Sized> Placed<C> {
    pub fn new(content: Arc<C>, at: u64) -> Self {
        Self { content, at }
    }
}

impl<C: Content + ?Sized> Read for Placed<C> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read_at(self.at, into)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Counts what is read, for whoever gave the reader away.
pub(crate) struct Counted {
    reader: Box<dyn Read + Send>,
    bytes: Arc<AtomicU64>,
}

impl Counted {
    pub fn new(reader: Box<dyn Read + Send>, bytes: Arc<AtomicU64>) -> Self {
        Self { reader, bytes }
    }
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(into)?;
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Whether an error comes from the place where the bytes lie, and may pass.
pub(crate) fn is_of_the_place(error: &io::Error) -> bool {
    error.raw_os_error().is_some() || error.get_ref().is_some_and(|inner| inner.is::<PortError>())
}

/// The name of a content: 128 bits of its SHA-256, in hexadecimal.
pub(crate) fn hash(content: Arc<dyn Content>) -> io::Result<String> {
    let mut reader = content.in_order();
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => hasher.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(short(hasher))
}

/// As [`hash`], of a text.
pub(crate) fn hash_of(text: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(text);
    short(hasher)
}

fn short(hasher: Sha256) -> String {
    hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
