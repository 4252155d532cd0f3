//! Event files for the benches: one event a line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use bytes::Bytes;

use crate::fault::Fault;

/// The lines of a file, each as its own record.
pub fn lines(path: &Path) -> Result<Vec<Bytes>, Fault> {
    let file = File::open(path).map_err(|error| Fault::wrong(format!("{}: {error}", path.display())))?;
    let lines = BufReader::with_capacity(1 << 20, file).split(b'\n');
    Ok(lines.map(|line| line.map(Bytes::from)).collect::<Result<_, _>>()?)
}
