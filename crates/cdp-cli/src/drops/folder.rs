//! Into the folder of a source: the platform takes the file in, or this process where nobody runs it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cdp_local::{Deployment, FileReport, Placed, Running, take_in};

use super::{Dropped, Drops, show};
use crate::fault::Fault;
use crate::progress::Reading;

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
        let placed = self.deployment.place(source, file)?;
        let earlier = placed.report().filter(FileReport::is_final);
        Ok(Box::new(InFolder { dir: &self.dir, source, placed, earlier }))
    }
}

struct InFolder<'d> {
    dir: &'d Path,
    source: &'d str,
    placed: Placed,
    earlier: Option<FileReport>,
}

impl fmt::Display for InFolder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.placed.path.display().fmt(f)
    }
}

impl Dropped for InFolder<'_> {
    fn earlier(&self) -> Option<&FileReport> {
        self.earlier.as_ref()
    }

    fn follow(&self, bar: &Reading) -> Result<FileReport, Fault> {
        match Running::find(self.dir) {
            Some(_) => self.wait(bar),
            None => Ok(take_in(self.dir, self.source, &self.placed.path, |report| show(report, bar))?),
        }
    }
}

impl InFolder<'_> {
    fn wait(&self, bar: &Reading) -> Result<FileReport, Fault> {
        loop {
            let is_gone = self.placed.is_gone();
            match self.placed.report() {
                Some(report) if report.is_over() => return Ok(report),
                Some(report) => show(&report, bar),
                None if is_gone => {
                    return Err(Fault::unavailable(format!("{self} was taken away before anybody reported of it")));
                }
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
