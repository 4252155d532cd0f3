//! Where objects are found.

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use cdp_aws::fault;
use cdp_drops::{Address, DropBox, FileReport, Stamp};
use cdp_ports::PortResult;

use crate::object::{S3Object, Version};
use crate::reports;

/// The caller needs `s3:GetObject` and `s3:GetObjectVersion`, for the reports `s3:PutObject`, and in the bucket
/// `s3:ListBucket`: without it S3 answers that a missing object is forbidden.
pub struct S3Drops {
    client: Client,
}

impl S3Drops {
    pub fn new(config: &SdkConfig) -> Self {
        // What stands in for S3 elsewhere has no name for each bucket.
        let with_paths = config.endpoint_url().is_some();
        Self { client: Client::from_conf(Builder::from(config).force_path_style(with_paths).build()) }
    }
}

impl DropBox for S3Drops {
    type File = S3Object;

    async fn open(&self, address: &Address) -> PortResult<S3Object> {
        let Address { bucket, key, version } = address;
        let asked = self.client.head_object().bucket(bucket).key(key).set_version_id(version.clone());
        let answer = asked.send().await.map_err(|error| fault(format!("look at {address}"), error))?;
        let tag = answer.e_tag.unwrap_or_default();
        let stamp = Stamp {
            bytes: answer.content_length.and_then(|bytes| bytes.try_into().ok()).unwrap_or_default(),
            modified_ns: answer.last_modified.and_then(|at| at.as_nanos().try_into().ok()).unwrap_or_default(),
            mark: address.mark(&tag),
        };
        let version = Version { client: self.client.clone(), address: address.clone(), tag, bytes: stamp.bytes };
        Ok(S3Object::new(version, stamp))
    }

    async fn report(&self, address: &Address) -> PortResult<Option<FileReport>> {
        reports::read(&self.client, address).await
    }

    async fn put_report(&self, address: &Address, report: &FileReport) -> PortResult<()> {
        reports::put(&self.client, address, report).await
    }
}
