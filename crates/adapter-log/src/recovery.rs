//! Opening a shard's folder: which segments there are, and where the last one ends.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::LogError;
use crate::folder::sync_dir;
use crate::frame::{OVERHEAD, Parsed, claimed_sequence, parse};
use crate::segment::{MAGIC, POINT_EVERY_BYTES, Point, SUFFIX, Segment};

pub(crate) struct Recovered {
    /// Ascending, never empty. All of it is durable.
    pub segments: Vec<Segment>,
    /// The sequence number that the next record will have.
    pub tip: u64,
    /// To write the last segment by.
    pub file: File,
}

pub(crate) fn recover(dir: &Path) -> Result<Recovered, LogError> {
    if !dir.try_exists().map_err(LogError::io("look for", dir))? {
        fs::create_dir_all(dir).map_err(LogError::io("make the folder", dir))?;
        sync_dir(dir.parent().unwrap_or(dir))?;
    }
    let mut files = list(dir)?;
    let Some((first, path)) = files.pop() else {
        let (segment, file) = Segment::create(dir, 0)?;
        return Ok(Recovered { segments: vec![segment], tip: 0, file });
    };
    let mut segments =
        files.into_iter().map(|(first, path)| open_sealed(first, path)).collect::<Result<Vec<_>, _>>()?;
    let (last, tip, file) = open_last(first, path)?;
    segments.push(last);
    Ok(Recovered { segments, tip, file })
}

fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, LogError> {
    let mut files = vec![];
    for entry in fs::read_dir(dir).map_err(LogError::io("list", dir))? {
        let path = entry.map_err(LogError::io("list", dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(first) = name.strip_suffix(SUFFIX).and_then(|first| first.parse().ok()) {
            files.push((first, path));
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn open(path: &Path) -> Result<(File, u64), LogError> {
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(LogError::io("open", path))?;
    let length = file.metadata().map_err(LogError::io("open", path))?.len();
    Ok((file, length))
}

/// Its records are checked when they are read.
fn open_sealed(first: u64, path: PathBuf) -> Result<Segment, LogError> {
    let (file, length) = open(&path)?;
    let mut magic = [0; MAGIC.len()];
    let read = file.read_exact_at(&mut magic, 0);
    if read.is_err() || magic != *MAGIC {
        return Err(LogError::damaged(&path, 0, "it does not begin as a segment does"));
    }
    let start = Point { sequence: first, offset: MAGIC.len() as u64 };
    Ok(Segment::new(path, first, length, vec![start]))
}

fn open_last(first: u64, path: PathBuf) -> Result<(Segment, u64, File), LogError> {
    let (file, length) = open(&path)?;
    let start = Point { sequence: first, offset: MAGIC.len() as u64 };
    let scan = Scan { file: &file, path: &path, length };
    let (end, points) = if length < start.offset {
        // The crash came while the file was made.
        file.write_all_at(MAGIC, 0).map_err(LogError::io("write", &path))?;
        (start, vec![start])
    } else {
        scan.check_magic()?;
        scan.run(start)?
    };
    if end.offset < length {
        tracing::warn!(
            log.cut_bytes = length - end.offset,
            log.sequence = end.sequence,
            "cut what a crash left half written at the end of {}",
            path.display()
        );
        file.set_len(end.offset).map_err(LogError::io("cut", &path))?;
    }
    // A record may have been written and not yet synced when the process died.
    file.sync_all().map_err(LogError::io("sync", &path))?;
    Ok((Segment::new(path, first, end.offset, points), end.sequence, file))
}

struct Scan<'a> {
    file: &'a File,
    path: &'a Path,
    length: u64,
}

impl Scan<'_> {
    fn check_magic(&self) -> Result<(), LogError> {
        let found = self.window(0, MAGIC.len())?;
        if found == *MAGIC {
            Ok(())
        } else {
            Err(LogError::damaged(self.path, 0, "it does not begin as a segment does"))
        }
    }

    /// Walks from record to record. Answers where the good ones end, and points on the way.
    fn run(&self, start: Point) -> Result<(Point, Vec<Point>), LogError> {
        const WINDOW: usize = 4 << 20;
        let (mut at, mut points) = (start, vec![start]);
        let mut at_least = 0;
        loop {
            let window = self.window(at.offset, WINDOW.max(at_least))?;
            let begin = at.offset;
            let what = loop {
                let place = (at.offset - begin) as usize;
                match parse(&window, place) {
                    Parsed::Frame(frame) if frame.sequence == at.sequence => {
                        at = Point { sequence: at.sequence + 1, offset: begin + frame.data.end as u64 };
                        if points.last().is_none_or(|last| at.offset >= last.offset + POINT_EVERY_BYTES) {
                            points.push(at);
                        }
                    }
                    Parsed::Frame(_) => break Some("its sequence number is not the next"),
                    Parsed::Short(length) if at.offset + length as u64 <= self.length => {
                        at_least = length;
                        break None;
                    }
                    Parsed::Short(_) => break Some("it is cut"),
                    Parsed::Bad(what) => break Some(what),
                }
            };
            if let Some(what) = what {
                if at.offset < self.length {
                    self.refuse_if_synced(at, what)?;
                }
                return Ok((at, points));
            }
        }
    }

    /// A good record beyond the bad one, of a write that began beyond it, tells that the bad one had been synced.
    fn refuse_if_synced(&self, bad: Point, what: &str) -> Result<(), LogError> {
        let rest = self.window(bad.offset, usize::try_from(self.length - bad.offset).unwrap_or(usize::MAX))?;
        let last_sequence = bad.sequence + (rest.len() / OVERHEAD) as u64;
        let may_begin = |at: usize| {
            claimed_sequence(&rest, at).is_some_and(|claimed| claimed > bad.sequence && claimed <= last_sequence)
        };
        for at in (1..rest.len()).filter(|at| may_begin(*at)) {
            if let Parsed::Frame(frame) = parse(&rest, at)
                && (frame.back as usize) < at
            {
                let what = format!("record {}: {what}; record {} was written later", bad.sequence, frame.sequence);
                return Err(LogError::damaged(self.path, bad.offset, what));
            }
        }
        Ok(())
    }

    /// Up to `bytes` from `offset`, fewer at the end of the file.
    fn window(&self, offset: u64, bytes: usize) -> Result<Vec<u8>, LogError> {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut window = vec![0; bytes.min(left)];
        self.file.read_exact_at(&mut window, offset).map_err(LogError::io("read", self.path))?;
        Ok(window)
    }
}
