//! A file that is dropped by command: put into its source's folder, and taken in here when no platform runs.

use std::fs;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use cdp_app::{CommitError, Committer};
use cdp_drops::{
    BatchLimits, DropSource, FileReport, Intake, IntakeError, LocalFile, NotDroppable, Stamp, check_droppable,
    names_for,
};
use cdp_ports::TableName;
use futures::executor::block_on;

use crate::deployment::{Deployment, DeploymentError, Lock};
use crate::platform::{COMMAND_BYTES, OpenError, Platform};

#[derive(Debug, thiserror::Error)]
pub enum DropError {
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("there is no drop source {name:?} in cdp.toml; there is {}", or_none(.known))]
    NoSource { name: String, known: Vec<String> },
    #[error("a drop source must be chosen with --source; there is {}", or_none(.0))]
    WhichSource(Vec<String>),
    #[error(transparent)]
    NotDroppable(#[from] NotDroppable),
    #[error("{}: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Intake(#[from] IntakeError),
    #[error("what was taken in is not in the tables yet: {0}; the next start of the platform puts it there")]
    Commit(#[from] CommitError),
}

fn or_none(names: &[String]) -> String {
    if names.is_empty() { "none: add [drops.NAME]".to_owned() } else { names.join(", ") }
}

/// A file that is in its source's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    pub path: PathBuf,
    stamp: Stamp,
}

impl Placed {
    fn at(path: PathBuf) -> io::Result<Self> {
        Ok(Self { stamp: Stamp::at(&path)?, path })
    }

    /// What was told of it by now: not of a file that had its name before, and also when it was taken away meanwhile.
    pub fn report(&self) -> Option<FileReport> {
        let stamp = Stamp::at(&self.path);
        FileReport::read(&self.path).filter(|report| report.tells_of(stamp.as_ref().unwrap_or(&self.stamp)))
    }

    pub fn is_gone(&self) -> bool {
        !self.path.exists()
    }
}

impl Deployment {
    /// The source of that name, or the only one.
    pub fn drop_source(&self, name: Option<&str>) -> Result<String, DropError> {
        let known = || self.config.settings.drops.keys().cloned().collect();
        match name {
            Some(name) if self.config.settings.drops.contains_key(name) => Ok(name.to_owned()),
            None if self.config.settings.drops.len() == 1 => Ok(self.config.settings.drops.keys().cloned().collect()),
            Some(name) => Err(DropError::NoSource { name: name.to_owned(), known: known() }),
            None => Err(DropError::WhichSource(known())),
        }
    }

    /// Copies `file` into the folder of `source`, where it appears whole. Answers where it stands. A name that another
    /// content has gets a number; a file that is there already stays.
    pub fn place(&self, source: &str, file: &Path) -> Result<Placed, DropError> {
        let folder = self.drop_folder(source);
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| DropError::Io { path, source }
        };
        check_droppable(file)?;
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        for place in names_for(file).map(|name| folder.join(name)) {
            if !place.exists() {
                let hidden = folder.join(format!(".{}.part", std::process::id()));
                fs::copy(file, &hidden).map_err(at(&folder))?;
                fs::rename(&hidden, &place).map_err(at(&place))?;
                return Placed::at(place).map_err(at(file));
            }
            if has_same_content(file, &place).map_err(at(file))? {
                return Placed::at(place).map_err(at(file));
            }
        }
        Err(at(file)(io::Error::from(io::ErrorKind::AlreadyExists)))
    }
}

fn has_same_content(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (fs::File::open(one)?, fs::File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    const BLOCK: u64 = 1 << 20;
    loop {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        one.by_ref().take(BLOCK).read_to_end(&mut left)?;
        other.by_ref().take(BLOCK).read_to_end(&mut right)?;
        if left != right {
            return Ok(false);
        }
        if left.is_empty() {
            return Ok(true);
        }
    }
}

/// Takes the file in without a running platform, and puts its rows into the tables. `progress` is told after each batch.
pub fn take_in(
    dir: &Path,
    source: &str,
    path: &Path,
    mut progress: impl FnMut(&FileReport) + Send,
) -> Result<FileReport, DropError> {
    let deployment = Deployment::open(dir)?;
    let _lock = Lock::take(dir)?;
    let platform = Platform::open(deployment, COMMAND_BYTES)?;
    let settings = platform.deployment.config.settings.drops.get(source);
    let settings = settings.ok_or_else(|| DropError::NoSource { name: source.to_owned(), known: vec![] })?;
    let intake = Intake { ingest: &platform.ingest, limits: BatchLimits::default() };
    let source = DropSource { name: source, settings };
    let report = block_on(intake.take_in(source, &LocalFile::open(path)?, &mut |told| {
        progress(told.file);
        ControlFlow::Continue(())
    }))?;
    for table in TableName::ALL {
        block_on(Committer { state: &platform.ingest.state, lake: &platform.ingest.lake, table }.drain())?;
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::init;

    #[test]
    fn a_name_that_another_content_has_gets_a_number() {
        let dir = tempfile::tempdir().expect("a folder");
        init(&dir.path().join("shop")).expect("an empty folder");
        let deployment = Deployment::open(&dir.path().join("shop")).expect("sound");
        let file = dir.path().join("orders.csv.gz");
        let mut placed = |content: &str| {
            fs::write(&file, content).expect("written");
            let place = deployment.place("partner", &file).expect("room");
            place.path.file_name().expect("a name").to_string_lossy().into_owned()
        };
        let names = ["a", "b", "a", "b", "c"].map(&mut placed);
        assert_eq!(names, ["orders.csv.gz", "orders-2.csv.gz", "orders.csv.gz", "orders-2.csv.gz", "orders-3.csv.gz"]);
    }

    #[test]
    fn without_a_platform_a_dropped_file_is_in_the_tables_at_once() {
        let dir = tempfile::tempdir().expect("a folder");
        init(dir.path()).expect("an empty folder");
        let deployment = Deployment::open(dir.path()).expect("sound");
        let source = deployment.drop_source(None).expect("the only one");
        let file = dir.path().join("people.csv");
        fs::write(&file, "user_id,email\nu1,a@example.com\nu2,b@example.com\n,\n").expect("written");
        let place = deployment.place(&source, &file).expect("room");
        assert_eq!(place.report(), None);
        let report = take_in(dir.path(), &source, &place.path, |_| {}).expect("taken in");
        assert_eq!(place.report(), Some(report.clone()));
        assert_eq!((report.status.as_str(), report.taken, report.refused), ("done", 2, 1), "{report:?}");
        let lake = cdp_query::Query::open(&deployment.lake()).expect("tables");
        let runtime = tokio::runtime::Runtime::new().expect("threads");
        let (_, rows) = runtime.block_on(lake.sql("select user_id from events")).expect("rows");
        assert_eq!(rows.iter().map(|batch| batch.num_rows()).sum::<usize>(), 2);
    }

    #[test]
    fn a_report_is_of_the_file_that_stands_there_or_stood_there_last() {
        let dir = tempfile::tempdir().expect("a folder");
        init(&dir.path().join("shop")).expect("an empty folder");
        let shop = dir.path().join("shop");
        let deployment = Deployment::open(&shop).expect("sound");
        let file = dir.path().join("people.csv");
        let place = |content: &str| {
            fs::write(&file, content).expect("written");
            deployment.place("partner", &file).expect("room")
        };
        let first = place("user_id\nu1\n");
        let report = take_in(&shop, "partner", &first.path, |_| {}).expect("taken in");
        assert_eq!(place("user_id\nu1\n").report(), Some(report.clone()), "it is there already");
        fs::remove_file(&first.path).expect("it is there");
        assert_eq!((first.report(), first.is_gone()), (Some(report), true));
        let second = place("user_id\nu1\nu2\n");
        assert_eq!((&second.path, second.report(), second.is_gone()), (&first.path, None, false));
        let report = take_in(&shop, "partner", &second.path, |_| {}).expect("taken in");
        assert_eq!((report.rows, second.report()), (2, Some(report)));
    }

    #[test]
    fn an_unknown_source_is_answered_with_the_known_ones() {
        let dir = tempfile::tempdir().expect("a folder");
        init(dir.path()).expect("an empty folder");
        let deployment = Deployment::open(dir.path()).expect("sound");
        let error = deployment.drop_source(Some("partnr")).expect_err("a typing mistake").to_string();
        assert_eq!(error, "there is no drop source \"partnr\" in cdp.toml; there is partner");
    }
}
