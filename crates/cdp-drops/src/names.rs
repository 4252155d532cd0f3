//! What is dropped by command: which files, and what they may be called where others were dropped before.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::dropped::{PassedOver, why_passed_over};

#[derive(Debug, thiserror::Error)]
pub enum NotDroppable {
    #[error("{}: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: {why}", .path.display())]
    PassedOver { path: PathBuf, why: PassedOver },
}

/// It must be a file that can be read, under a name that is taken in.
pub fn check_droppable(file: &Path) -> Result<(), NotDroppable> {
    can_be_read(file).map_err(|source| NotDroppable::Io { path: file.to_owned(), source })?;
    match why_passed_over(&file.file_name().unwrap_or_default().to_string_lossy()) {
        Some(why) => Err(NotDroppable::PassedOver { path: file.to_owned(), why }),
        None => Ok(()),
    }
}

/// A pipe is not even opened: that waits for whoever writes to it.
fn can_be_read(file: &Path) -> io::Result<()> {
    if !fs::metadata(file)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is no file"));
    }
    File::open(file).map(drop)
}

/// `a.csv`, `a-2.csv`, `a-3.csv` and so on.
pub fn names_for(file: &Path) -> impl Iterator<Item = String> + use<> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let dot = name.find('.').filter(|dot| *dot > 0).unwrap_or(name.len());
    let (stem, ending) = (name[..dot].to_owned(), name[dot..].to_owned());
    std::iter::once(name).chain((2..10_000).map(move |number| format!("{stem}-{number}{ending}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_would_take_in_is_not_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a.csv", "part", "a.part", ".a.csv", "a.csv.TMP", "a.crdownload"] {
            fs::write(folder.path().join(name), "id\n1\n").expect("written");
        }
        fs::create_dir(folder.path().join("sub.csv")).expect("a folder");
        let unfinished = |ending| {
            format!("names that end in .{ending} are passed over while a file is still written; give it another name")
        };
        for (name, expected) in [
            ("a.csv", None),
            ("part", None),
            ("a.part", Some(unfinished("part"))),
            ("a.csv.TMP", Some(unfinished("tmp"))),
            ("a.crdownload", Some(unfinished("crdownload"))),
            (".a.csv", Some("names that begin with a dot are passed over as hidden; give it another name".to_owned())),
            ("sub.csv", Some("it is no file".to_owned())),
            ("nowhere.csv", Some("No such file or directory (os error 2)".to_owned())),
        ] {
            let path = folder.path().join(name);
            let outcome = check_droppable(&path).map_err(|error| error.to_string());
            assert_eq!(outcome.err(), expected.map(|why| format!("{}: {why}", path.display())), "{name}");
        }
    }
}
