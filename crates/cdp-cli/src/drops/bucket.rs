//! Into the drop bucket of a deployment on AWS: a function takes the file in, and reports beside it.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use cdp_local::{FileReport, Status};
use cdp_remote::{DropBucket, Placed, Remote};
use indicatif::ProgressBar;
use tokio::runtime::Runtime;

use super::{Dropped, Drops};
use crate::fault::Fault;

const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The function reports each batch. When it says nothing for so long, it has stopped.
const LONGEST_SILENCE: Duration = Duration::from_secs(15 * 60);

pub struct Bucket {
    /// One for all requests: the bucket's connections live on it.
    runtime: Runtime,
    bucket: DropBucket,
}

impl Bucket {
    pub fn find(stage: &str) -> Result<Self, Fault> {
        let runtime = Runtime::new()?;
        let bucket = runtime.block_on(async { Remote::find(stage).await?.drops() })?;
        Ok(Self { runtime, bucket })
    }
}

impl Drops for Bucket {
    fn source(&self, name: Option<&str>) -> Result<String, Fault> {
        let unnamed = || Fault::wrong("on AWS, name the drop source with --source: one of [drops] in cdp.toml");
        name.map(str::to_owned).ok_or_else(unnamed)
    }

    fn place<'d>(&'d self, source: &'d str, file: &Path) -> Result<Box<dyn Dropped + 'd>, Fault> {
        Ok(Box::new(Object { placed: self.runtime.block_on(self.bucket.place(source, file))?, drops: self }))
    }
}

struct Object<'d> {
    placed: Placed,
    drops: &'d Bucket,
}

impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.placed.fmt(f)
    }
}

impl Dropped for Object<'_> {
    fn follow(&self, bar: &ProgressBar) -> Result<FileReport, Fault> {
        self.drops.runtime.block_on(self.wait(bar))
    }
}

impl Object<'_> {
    async fn wait(&self, bar: &ProgressBar) -> Result<FileReport, Fault> {
        let (mut rows, mut heard) = (None, Instant::now());
        loop {
            let report = self.drops.bucket.report(&self.placed).await?;
            let told = report.as_ref().map(|report| report.rows);
            if let Some(report) = report.filter(|report| report.status != Status::Running) {
                return Ok(report);
            }
            if told != rows {
                (rows, heard) = (told, Instant::now());
                bar.set_position(told.unwrap_or_default());
            }
            if heard.elapsed() > LONGEST_SILENCE {
                let what = format!(
                    "{self} is in its place, and nobody has reported of it for {} s",
                    LONGEST_SILENCE.as_secs()
                );
                return Err(Fault::unavailable(format!("{what}; look at the alarms of the function `drops`")));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}
