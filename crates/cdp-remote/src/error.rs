//! What can keep a command from a deployment on AWS.

use std::io;
use std::path::PathBuf;

use adapter_delta::DeltaError;
use aws_credential_types::provider::error::CredentialsError;
use cdp_api::profiles::BadToken;
use cdp_drops::NotDroppable;
use cdp_ports::PortError;
use cdp_query::QueryError;

#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    #[error("no AWS region is set; set AWS_REGION, or `region` in the profile that AWS_PROFILE names")]
    NoRegion,
    #[error("there are no AWS credentials; set AWS_PROFILE to a profile that has some, or run `aws configure`: {0}")]
    NoCredentials(String),
    #[error("there is no stack {stack} in {region}; deploy it with `make deploy`, or name another with --stage")]
    NoStack { stack: String, region: String },
    #[error("the stack {stack} has no output {output}; deploy it again with this release")]
    NoOutput { stack: String, output: &'static str },
    #[error("the lake s3://{0} has no tables yet; the functions make them within a minute of the first deployment")]
    NoTables(String),
    #[error("{0} is no lake: it has no table `events`; name the lake bucket of a deployment, as s3://BUCKET")]
    NotALake(String),
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Front(#[from] BadToken),
    #[error("s3://{bucket}: {source}{}", needs(.source))]
    Bucket { bucket: String, source: object_store::Error },
    #[error("the report {key} can't be read: {source}; was it written by another release?")]
    Report { key: String, source: serde_json::Error },
    #[error(transparent)]
    NotDroppable(#[from] NotDroppable),
    #[error("{}: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
}

fn needs(error: &object_store::Error) -> &'static str {
    match error {
        object_store::Error::PermissionDenied { .. } => {
            " (it takes s3:GetObject, s3:PutObject and s3:AbortMultipartUpload on the bucket's objects, and s3:ListBucket on it)"
        }
        _ => "",
    }
}

/// Without its wrappers, which say the same.
pub(crate) fn no_credentials(error: &CredentialsError) -> RemoteError {
    let chain = std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |error| (**error).source());
    RemoteError::NoCredentials(chain.last().map(ToString::to_string).unwrap_or_default())
}

/// Of a lake that was opened as it is.
pub(crate) fn of_lake(bucket: &str, error: DeltaError) -> RemoteError {
    match error {
        DeltaError::NoTable(_) => RemoteError::NoTables(bucket.to_owned()),
        other => RemoteError::Query(other.into()),
    }
}
