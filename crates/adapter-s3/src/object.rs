//! One version of one object.

mod version;

use std::io;
use std::sync::Arc;

use cdp_drops::{Content, Dropped, FileReport, Stamp};

use crate::content::RangedContent;
use crate::reports;

pub(crate) use version::Version;

pub struct S3Object {
    version: Arc<Version>,
    content: Arc<RangedContent<Version>>,
    stamp: Stamp,
}

impl S3Object {
    pub(crate) fn new(version: Version, stamp: Stamp) -> Self {
        let version = Arc::new(version);
        Self { content: Arc::new(RangedContent::new(version.clone())), version, stamp }
    }
}

impl Dropped for S3Object {
    fn place(&self) -> String {
        self.version.address.to_string()
    }

    fn name(&self) -> &str {
        self.version.address.name()
    }

    fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    fn content(&self) -> Arc<dyn Content> {
        self.content.clone()
    }

    fn lasting_name(&self) -> Option<String> {
        Some(format!("{} {}", self.version.address, self.version.tag))
    }

    /// Each read says itself that it wants this version.
    fn has_changed(&self) -> io::Result<bool> {
        Ok(false)
    }

    async fn report(&self) -> io::Result<Option<FileReport>> {
        reports::read(&self.version.client, &self.version.address).await.map_err(io::Error::other)
    }

    async fn put_report(&self, report: &FileReport) -> io::Result<()> {
        reports::put(&self.version.client, &self.version.address, report).await.map_err(io::Error::other)
    }
}
