//! Into the drop bucket of a deployment on AWS: a function takes the file in, and reports beside it.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use cdp_local::FileReport;
use cdp_remote::{DropBucket, Placed, Remote};
use tokio::runtime::Runtime;

use super::{Dropped, Drops, show};
use crate::fault::Fault;
use crate::progress::Reading;

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
        self.runtime.block_on(async {
            let placed = self.bucket.place(source, file).await?;
            // The file is in its place, whether this can be told or not.
            let earlier = self.bucket.report(&placed).await.unwrap_or_default().filter(FileReport::is_final);
            Ok(Box::new(Object { placed, earlier, drops: self }) as Box<dyn Dropped + 'd>)
        })
    }
}

struct Object<'d> {
    placed: Placed,
    earlier: Option<FileReport>,
    drops: &'d Bucket,
}

impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.placed.fmt(f)
    }
}

impl Dropped for Object<'_> {
    fn earlier(&self) -> Option<&FileReport> {
        self.earlier.as_ref()
    }

    fn follow(&self, bar: &Reading) -> Result<FileReport, Fault> {
        self.drops.runtime.block_on(self.wait(bar))
    }
}

impl Object<'_> {
    async fn wait(&self, bar: &Reading) -> Result<FileReport, Fault> {
        let (mut rows, mut heard) = (None, Instant::now());
        loop {
            if let Some(report) = self.drops.bucket.report(&self.placed).await? {
                if report.is_over() {
                    return Ok(report);
                }
                if rows != Some(report.rows) {
                    (rows, heard) = (Some(report.rows), Instant::now());
                }
                show(&report, bar);
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
