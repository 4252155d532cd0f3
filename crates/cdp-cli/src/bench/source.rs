//! Events for the benches: a file with one a line, or made-up people's.

use std::fs::File;
use std::io::{self, Read};
use std::mem;
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes};
use cdp_ports::Clock;
use clap::Args;

use super::people::People;
use super::report::Report;
use crate::fault::Fault;
use adapter_machine::Machine;

/// What is sent.
#[derive(Debug, Args)]
pub struct Events {
    /// One event a line; those of made-up people otherwise.
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// How many people are made up, with two events each.
    #[arg(long, default_value_t = 500_000, conflicts_with = "events")]
    people: u64,
}

impl Events {
    pub fn each(&self) -> Result<Box<dyn Iterator<Item = io::Result<Bytes>> + Send>, Fault> {
        Ok(match &self.events {
            Some(file) => Box::new(each_line(file)?),
            None => Box::new(People::all(self.people, Machine.now()).map(Ok)),
        })
    }

    pub fn tell(&self, report: &mut Report) {
        match &self.events {
            Some(file) => report.parameter("events", file.display().to_string()),
            None => report.parameter("people", self.people),
        }
    }
}

const BLOCK: usize = 128 << 10;

/// The lines of a file, each as its own record, as they are read: parts of a block, so that the bench measures what it is
/// about.
fn each_line(path: &Path) -> Result<impl Iterator<Item = io::Result<Bytes>> + use<>, Fault> {
    let file = File::open(path).map_err(|error| Fault::wrong(format!("{}: {error}", path.display())))?;
    Ok(Lines { file, block: Bytes::new() })
}

struct Lines {
    file: File,
    block: Bytes,
}

impl Lines {
    /// False: the file has ended.
    fn read_block(&mut self) -> io::Result<bool> {
        let mut block = Vec::with_capacity(self.block.len() + BLOCK);
        block.extend_from_slice(&self.block);
        // `read_to_end` fills memory that nobody has cleared first.
        let read = Read::by_ref(&mut self.file).take(BLOCK as u64).read_to_end(&mut block)?;
        self.block = block.into();
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
                return Some(Ok(line));
            }
            match self.read_block() {
                Ok(true) => {}
                Ok(false) if self.block.is_empty() => return None,
                Ok(false) => return Some(Ok(mem::take(&mut self.block))),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

pub fn lines(path: &Path) -> Result<Vec<Bytes>, Fault> {
    Ok(each_line(path)?.collect::<Result<_, _>>()?)
}
