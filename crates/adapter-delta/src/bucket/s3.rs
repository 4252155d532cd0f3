//! A bucket of S3, as AWS's configuration describes it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use object_store::aws::{AmazonS3Builder, AwsCredential, S3ConditionalPut};
use object_store::{CredentialProvider, Error, ObjectStore, Result, RetryConfig};
use tokio::sync::Mutex;
use tokio::time::timeout;
use url::Url;

use super::Bucket;
use crate::DeltaError;

/// A fault that lasts longer is the caller's, who has a deadline of its own and may do something else meanwhile.
const RETRIES: usize = 5;
const RETRIED_FOR: Duration = Duration::from_secs(20);

const LONGEST_LOAD: Duration = Duration::from_secs(10);
/// A request, with its retries, ends before its credentials do.
const RENEWED_BEFORE_END: Duration = Duration::from_secs(60);
/// Of credentials that do not say when they end: a file may have others by then.
const KEPT_AT_MOST: Duration = Duration::from_secs(15 * 60);

/// What the caller may do below the prefix: `s3:GetObject`, `s3:PutObject`, `s3:DeleteObject` and
/// `s3:AbortMultipartUpload`. And in the bucket `s3:ListBucket`: without it S3 answers that a missing object is
/// forbidden. A lifecycle rule should take incomplete multipart uploads away, since a crash may leave some.
#[derive(Clone, Debug)]
pub struct S3Bucket {
    pub name: String,
    /// Folders that the lake stands in: `lakes/production`. May be empty.
    pub prefix: String,
    pub region: String,
    /// For a server other than the region's: `http://127.0.0.1:4566`. It is asked with the bucket in the path, and without
    /// TLS if its URL says so.
    pub endpoint: Option<String>,
    /// Asked again before what it gave ends.
    pub credentials: SharedCredentialsProvider,
}

impl S3Bucket {
    /// Name and prefix in `s3://NAME/PREFIX`. `None`: it names no bucket so.
    pub fn name_and_prefix(place: &str) -> Option<(&str, &str)> {
        let path = place.strip_prefix("s3://")?;
        Some(path.split_once('/').unwrap_or((path, "")))
    }

    /// `prefix`: the folders that the lake stands in.
    pub fn of(config: &SdkConfig, name: &str, prefix: &str) -> Result<Self, DeltaError> {
        let (Some(credentials), Some(region)) = (config.credentials_provider(), config.region()) else {
            return Err(DeltaError::NoAccount);
        };
        Ok(Self {
            name: name.to_owned(),
            prefix: prefix.to_owned(),
            region: region.to_string(),
            endpoint: config.endpoint_url().map(str::to_owned),
            credentials,
        })
    }

    /// Asks nobody anything yet.
    pub fn bucket(self) -> Result<Bucket, DeltaError> {
        let root = self.root()?;
        Ok(Bucket::over(self.store()?, root))
    }

    /// The whole bucket, for whoever keeps something else in one.
    pub fn store(self) -> Result<Arc<dyn ObjectStore>, DeltaError> {
        // A certificate of S3 names one label before its own: a bucket with a dot in its name goes in the path.
        let has_own_host = self.endpoint.is_none() && !self.name.contains('.');
        let retry = RetryConfig { max_retries: RETRIES, retry_timeout: RETRIED_FOR, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(self.name)
            .with_region(self.region)
            .with_credentials(Arc::new(Credentials::of(self.credentials)))
            // The log has one writer for each place because of this.
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_virtual_hosted_style_request(has_own_host)
            .with_retry(retry);
        if let Some(endpoint) = self.endpoint {
            builder = builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint);
        }
        Ok(Arc::new(builder.build()?))
    }

    /// `s3://NAME/PREFIX`
    fn root(&self) -> Result<Url, DeltaError> {
        let no_bucket = || DeltaError::NoBucket(format!("s3://{}/{}", self.name, self.prefix));
        let mut root = Url::parse(&format!("s3://{}/", self.name)).map_err(|_| no_bucket())?;
        if root.host_str() != Some(&self.name) {
            return Err(no_bucket());
        }
        let folders = self.prefix.split('/').filter(|folder| !folder.is_empty());
        root.path_segments_mut().map_err(|()| no_bucket())?.pop_if_empty().extend(folders);
        Ok(root)
    }
}

/// AWS's providers as the store asks for them: before each request, so what is known is kept.
#[derive(Debug)]
struct Credentials {
    provider: SharedCredentialsProvider,
    /// With the moment from which on they are asked for again.
    known: Mutex<Option<(Arc<AwsCredential>, SystemTime)>>,
}

impl Credentials {
    fn of(provider: SharedCredentialsProvider) -> Self {
        Self { provider, known: Mutex::new(None) }
    }
}

#[async_trait]
impl CredentialProvider for Credentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> Result<Arc<AwsCredential>> {
        let mut known = self.known.lock().await;
        let now = SystemTime::now();
        if let Some((credential, _)) = known.as_ref().filter(|(_, renewed_at)| now < *renewed_at) {
            return Ok(Arc::clone(credential));
        }
        let loaded = match timeout(LONGEST_LOAD, self.provider.provide_credentials()).await {
            Ok(loaded) => loaded.map_err(refused)?,
            Err(_) => return Err(refused(CredentialsError::provider_timed_out(LONGEST_LOAD))),
        };
        let credential = Arc::new(AwsCredential {
            key_id: loaded.access_key_id().to_owned(),
            secret_key: loaded.secret_access_key().to_owned(),
            token: loaded.session_token().map(str::to_owned),
        });
        let latest = now + KEPT_AT_MOST;
        let before_end = loaded.expiry().and_then(|end| end.checked_sub(RENEWED_BEFORE_END));
        let renewed_at = before_end.map_or(latest, |moment| moment.min(latest));
        *known = Some((Arc::clone(&credential), renewed_at));
        Ok(credential)
    }
}

fn refused(error: CredentialsError) -> Error {
    Error::Generic { store: "AWS credentials", source: error.into() }
}
