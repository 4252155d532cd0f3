//! The deployment, and the adapters to what its stack names.

use std::sync::Arc;

use adapter_athena::AthenaWarehouse;
use adapter_delta::{DeltaLake, S3Bucket};
use adapter_dynamodb::DynamoState;
use adapter_sqs::SqsQueue;
use aws_config::{BehaviorVersion, SdkConfig};
use cdp_ports::FaultKind;
use cdp_query::{Query, QueryError};

use crate::error::of_lake;
use crate::stack::Stack;
use crate::{DropBucket, RemoteError};

#[derive(Clone, Debug)]
pub struct Remote {
    aws: SdkConfig,
    stack: Stack,
}

impl Remote {
    /// The deployment of a stage (`dev`, `prod`), by the profile or the variables that AWS's own tools heed. It needs
    /// `cloudformation:DescribeStacks`.
    pub async fn find(stage: &str) -> Result<Self, RemoteError> {
        let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
        let stack = Stack::find(&aws, stage).await?;
        Ok(Self { aws, stack })
    }

    pub fn state(&self) -> Result<DynamoState, RemoteError> {
        Ok(DynamoState::new(&self.aws, self.stack.output("StateTable")?))
    }

    /// The tables, read from here. Waits for the bucket.
    pub fn query(&self) -> Result<Query, RemoteError> {
        let bucket = self.stack.output("LakeBucket")?;
        let lake = self.bucket(bucket)?.bucket().and_then(DeltaLake::open_existing_bucket);
        Ok(Query::over(Arc::new(lake.map_err(|error| of_lake(bucket, error))?)))
    }

    /// The tables, read by Athena.
    pub fn warehouse(&self) -> Result<AthenaWarehouse, RemoteError> {
        Ok(AthenaWarehouse::new(&self.aws, self.stack.output("Workgroup")?, self.stack.output("Database")?))
    }

    pub fn drops(&self) -> Result<DropBucket, RemoteError> {
        let bucket = self.stack.output("DropBucket")?;
        let store = self.bucket(bucket)?.store().map_err(QueryError::from)?;
        Ok(DropBucket::over(store, bucket))
    }

    /// Where the deployment's own lake stands.
    pub fn lake(&self) -> Result<String, RemoteError> {
        Ok(format!("s3://{}", self.stack.output("LakeBucket")?))
    }

    /// Refuses a place that has no tables, before a function fails for it. What this shell may not read, the function may.
    pub fn check_lake(&self, place: &str) -> Result<(), RemoteError> {
        let (name, prefix) = S3Bucket::name_and_prefix(place).ok_or_else(|| RemoteError::NotALake(place.to_owned()))?;
        let bucket = S3Bucket::of(&self.aws, name, prefix).map_err(QueryError::from)?;
        match bucket.bucket().and_then(DeltaLake::open_existing_bucket) {
            Err(error) if error.kind() == FaultKind::Missing => Err(RemoteError::NotALake(place.to_owned())),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Where jobs of a replay are asked for.
    pub fn replays(&self) -> Result<SqsQueue, RemoteError> {
        Ok(SqsQueue::new(&self.aws, self.stack.output("ReplayQueue")?))
    }

    fn bucket(&self, name: &str) -> Result<S3Bucket, RemoteError> {
        Ok(S3Bucket::of(&self.aws, name, "").map_err(QueryError::from)?)
    }
}
