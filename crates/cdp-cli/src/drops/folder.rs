//! Into the folder of a source: the platform takes the file in, or this process where nobody runs it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cdp_local::{Deployment, FileReport, Running, Status, take_in};
use indicatif::ProgressBar;

use super::{Dropped, Drops};
use crate::fault::Fault;

/// How often a running platform's report is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

pub struct Folder {
    dir: PathBuf,
    deployment: Deployment,
}

impl Folder {
    pub fn open(dir: &Path) -> Result<Self, Fault> {
        Ok(Self { dir: dir.to_owned(), deployment: Deployment::open(dir)? })
    }
}

impl Drops for Folder {
    fn source(&self, name: Option<&str>) -> Result<String, Fault> {
        Ok(self.deployment.drop_source(name)?)
    }

    fn place<'d>(&'d self, source: &'d str, file: &Path) -> Result<Box<dyn Dropped + 'd>, Fault> {
        Ok(Box::new(Placed { dir: &self.dir, source, place: self.deployment.place(source, file)? }))
    }
}

struct Placed<'d> {
    dir: &'d Path,
    source: &'d str,
    place: PathBuf,
}

impl fmt::Display for Placed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.display().fmt(f)
    }
}

impl Dropped for Placed<'_> {
    fn follow(&self, bar: &ProgressBar) -> Result<FileReport, Fault> {
        match Running::find(self.dir) {
            Some(_) => self.wait(bar),
            None => Ok(take_in(self.dir, self.source, &self.place, |report| bar.set_position(report.rows))?),
        }
    }
}

impl Placed<'_> {
    fn wait(&self, bar: &ProgressBar) -> Result<FileReport, Fault> {
        loop {
            match FileReport::read(&self.place) {
                Some(report) if report.status != Status::Running => return Ok(report),
                Some(report) => bar.set_position(report.rows),
                None => {}
            }
            if Running::find(self.dir).is_none() {
                let what = format!("the platform stopped before it had taken in {self}");
                return Err(Fault::unavailable(format!("{what}; it goes on when it is started again")));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}
