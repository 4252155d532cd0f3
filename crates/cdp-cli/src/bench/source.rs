//! Event files for the benches: one event a line.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use bytes::{Buf, Bytes, BytesMut};

use crate::fault::Fault;

const BLOCK: usize = 1 << 20;

/// The lines of a file, each as its own record, as they are read: parts of a block, so that the bench measures what it is
/// about.
pub fn each_line(path: &Path) -> Result<impl Iterator<Item = io::Result<Bytes>> + use<>, Fault> {
    let file = File::open(path).map_err(|error| Fault::wrong(format!("{}: {error}", path.display())))?;
    Ok(Lines { file, block: BytesMut::new() })
}

struct Lines {
    file: File,
    block: BytesMut,
}

impl Lines {
    /// False: the file has ended.
    fn read_block(&mut self) -> io::Result<bool> {
        let held = self.block.len();
        self.block.resize(held + BLOCK, 0);
        let read = self.file.read(&mut self.block[held..])?;
        self.block.truncate(held + read);
        Ok(read > 0)
    }
}

impl Iterator for Lines {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.block) {
                let line = self.block.split_to(at);
                self.block.advance(1);
                return Some(Ok(line.freeze()));
            }
            match self.read_block() {
                Ok(true) => {}
                Ok(false) if self.block.is_empty() => return None,
                Ok(false) => return Some(Ok(self.block.split().freeze())),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

pub fn lines(path: &Path) -> Result<Vec<Bytes>, Fault> {
    Ok(each_line(path)?.collect::<Result<_, _>>()?)
}
