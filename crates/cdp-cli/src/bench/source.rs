//! Event files for the benches: one event a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use bytes::Bytes;

use crate::fault::Fault;

/// The lines of a file, each as its own record, as they are read.
pub fn each_line(path: &Path) -> Result<impl Iterator<Item = io::Result<Bytes>> + use<>, Fault> {
    let file = File::open(path).map_err(|error| Fault::wrong(format!("{}: {error}", path.display())))?;
    Ok(BufReader::with_capacity(1 << 20, file).split(b'\n').map(|line| line.map(Bytes::from)))
}

pub fn lines(path: &Path) -> Result<Vec<Bytes>, Fault> {
    Ok(each_line(path)?.collect::<Result<_, _>>()?)
}
