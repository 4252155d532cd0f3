//! One version of one object.

mod version;

use std::io;
use std::sync::Arc;

use aws_sdk_s3::primitives::ByteStream;
use cdp_aws::fault;
use cdp_drops::{Content, Dropped, FileReport, Stamp};
use cdp_ports::{FaultKind, PortError, PortResult};

use crate::content::RangedContent;

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

    async fn read_report(&self) -> PortResult<Option<FileReport>> {
        let Version { client, address, .. } = &*self.version;
        let action = || format!("read the report on {address}");
        let asked = client.get_object().bucket(&address.bucket).key(address.report_key());
        let answer = match asked.send().await.map_err(|error| fault(action(), error)) {
            Ok(answer) => answer,
            Err(missing) if missing.kind == FaultKind::Missing => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let json = answer.body.collect().await;
        let json = json.map_err(|error| PortError::because(FaultKind::Busy, action(), error))?;
        Ok(FileReport::from_json(&json.into_bytes()))
    }

    async fn write_report(&self, json: String) -> PortResult<()> {
        let Version { client, address, .. } = &*self.version;
        let put = client.put_object().bucket(&address.bucket).key(address.report_key());
        let put = put.content_type("application/json").body(ByteStream::from(json.into_bytes())).send().await;
        put.map(drop).map_err(|error| fault(format!("put the report on {address}"), error))
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
        self.read_report().await.map_err(io::Error::other)
    }

    async fn put_report(&self, report: &FileReport) -> io::Result<()> {
        if self.report().await?.is_some_and(|there| there.is_of_a_later(&self.stamp)) {
            return Ok(());
        }
        self.write_report(report.to_json()?).await.map_err(io::Error::other)
    }
}
