//! Which files of a drop folder are there to be taken: those that nobody writes any more.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cdp_event::Timestamp;

use crate::dropped::{Stamp, is_passed_over};

/// Remembers what it saw between looks. A file is handed out once, and again when it has changed.
pub struct Watch {
    /// A file is still when it did not change for so long.
    settle: Duration,
    seen: HashMap<PathBuf, Sighting>,
}

struct Sighting {
    stamp: Stamp,
    since: Timestamp,
    handed_out: bool,
}

impl Watch {
    pub fn new(settle: Duration) -> Self {
        Self { settle, seen: HashMap::new() }
    }

    /// Looks into `folder`: the files that are still and were not handed out, oldest first. No folder is no file.
    pub fn scan_once(&mut self, folder: &Path, now: Timestamp) -> io::Result<Vec<PathBuf>> {
        let settle_ms = i64::try_from(self.settle.as_millis()).unwrap_or(i64::MAX);
        let there = files_of(folder)?;
        self.seen.retain(|path, _| path.parent() != Some(folder) || there.iter().any(|(known, _)| known == path));
        let mut ready = Vec::new();
        for (path, stamp) in there {
            let modified_ns = stamp.modified_ns;
            let fresh = Sighting { stamp, since: now, handed_out: false };
            let sighting = match self.seen.entry(path.clone()) {
                Entry::Occupied(known) if known.get().stamp == fresh.stamp => known.into_mut(),
                entry => entry.insert_entry(fresh).into_mut(),
            };
            let is_still = now >= sighting.since.plus_ms(settle_ms);
            if is_still && !sighting.handed_out {
                sighting.handed_out = true;
                ready.push((modified_ns, path));
            }
        }
        ready.sort();
        Ok(ready.into_iter().map(|(_, path)| path).collect())
    }

    /// After a fault that may pass: the file is handed out again once it was still for the time it takes.
    pub fn look_again(&mut self, path: &Path) {
        self.seen.remove(path);
    }
}

fn files_of(folder: &Path) -> io::Result<Vec<(PathBuf, Stamp)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        if is_passed_over(&entry.file_name().to_string_lossy()) {
            continue;
        }
        match fs::metadata(entry.path()) {
            Ok(metadata) if metadata.is_file() => files.push((entry.path(), Stamp::of(&metadata))),
            // A folder, or a file that was taken away meanwhile.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1000;

    #[test]
    fn a_file_is_handed_out_when_it_is_still_and_again_when_it_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.csv");
        for name in [".hidden", "b.csv.part", "c.TMP", "d.filepart"] {
            fs::write(folder.path().join(name), "x").expect("written");
        }
        fs::create_dir(folder.path().join("sub")).expect("a folder");
        let mut watch = Watch::new(Duration::from_secs(2));
        let mut names = |second: i64| {
            let ready = watch.scan_once(folder.path(), Timestamp::from_ms(second * SECOND)).expect("a folder");
            ready.iter().filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect::<Vec<_>>()
        };
        fs::write(&path, "id\n").expect("written");
        assert_eq!(names(0), [""; 0]);
        fs::write(&path, "id\n1\n").expect("written");
        assert_eq!(names(2), [""; 0], "it was written to since");
        assert_eq!(names(3), [""; 0]);
        assert_eq!(names(4), ["a.csv"]);
        assert_eq!(names(9), [""; 0], "it was handed out");
        fs::write(&path, "id\n1\n2\n").expect("written");
        assert_eq!(names(10), [""; 0]);
        assert_eq!(names(12), ["a.csv"]);
    }

    #[test]
    fn after_a_fault_a_file_is_handed_out_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.csv");
        fs::write(&path, "id\n").expect("written");
        let mut watch = Watch::new(Duration::ZERO);
        let now = Timestamp::from_ms(0);
        assert_eq!(watch.scan_once(folder.path(), now).expect("a folder"), std::slice::from_ref(&path));
        watch.look_again(&path);
        assert_eq!(watch.scan_once(folder.path(), now).expect("a folder"), [path]);
        assert!(watch.scan_once(Path::new("/nowhere"), now).expect("no folder is no file").is_empty());
    }
}
