//! A window over a stream: what was read and not yet consumed, in one piece.

use std::io::{self, Read};

use crate::content::is_of_the_place;
use crate::text::Text;

const CHUNK: usize = 256 << 10;

/// A row beyond this is refused with its first bytes. It bounds the window.
pub(crate) const MAX_ROW_BYTES: usize = 1 << 20;

/// What is kept of a row that is too long, or that a file was cut off in.
pub(crate) const KEPT_BYTES: usize = 1 << 10;

pub(crate) struct Window {
    input: Text,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    over: Over,
}

enum Over {
    No,
    AtTheEnd,
    /// The content ends early: a truncated or corrupt compressed stream.
    Cut(String),
}

impl Window {
    pub fn new(input: Text) -> Self {
        Self { input, buffer: Vec::new(), start: 0, end: 0, over: Over::No }
    }

    pub fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    pub fn consume(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.end);
    }

    /// Nothing comes after what is unread.
    pub fn is_last(&self) -> bool {
        !matches!(self.over, Over::No)
    }

    /// Why the content ends early, if it does.
    pub fn cut(&self) -> Option<&str> {
        match &self.over {
            Over::Cut(detail) => Some(detail),
            Over::No | Over::AtTheEnd => None,
        }
    }

    pub fn encoding(&self) -> &'static str {
        self.input.encoding()
    }

    /// Reads on. An error is a fault of the device, which may pass; a fault of the content is an end.
    pub fn more(&mut self) -> io::Result<()> {
        if self.is_last() {
            return Ok(());
        }
        self.make_room();
        match self.input.read(&mut self.buffer[self.end..]) {
            Ok(0) => self.over = Over::AtTheEnd,
            Ok(count) => self.end += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_of_the_place(&error) => return Err(error),
            Err(error) => self.over = Over::Cut(error.to_string()),
        }
        Ok(())
    }

    /// Until there are `bytes` unread, or no more.
    pub fn look_ahead(&mut self, bytes: usize) -> io::Result<()> {
        while self.unread().len() < bytes && !self.is_last() {
            self.more()?;
        }
        Ok(())
    }

    /// Consumes up to and including the next `byte`, or all.
    pub fn pass(&mut self, byte: u8) -> io::Result<()> {
        loop {
            match memchr::memchr(byte, self.unread()) {
                Some(at) => {
                    self.consume(at + 1);
                    return Ok(());
                }
                None => self.consume(self.unread().len()),
            }
            if self.is_last() {
                return Ok(());
            }
            self.more()?;
        }
    }

    fn make_room(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < CHUNK / 2 {
            self.buffer = with_room(&self.buffer[..self.end], CHUNK);
        }
    }
}

/// A buffer that begins with `bytes`. The system clears its memory as it is touched, which most files do to little of it.
pub(crate) fn with_room(bytes: &[u8], room: usize) -> Vec<u8> {
    let mut buffer = vec![0; bytes.len() + room];
    buffer[..bytes.len()].copy_from_slice(bytes);
    buffer
}

/// The first bytes of something that is not kept whole.
pub(crate) fn head_of(bytes: &[u8]) -> Vec<u8> {
    bytes.get(..KEPT_BYTES).unwrap_or(bytes).to_vec()
}
