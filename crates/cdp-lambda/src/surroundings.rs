//! What a function finds around it.

use std::fmt;
use std::path::PathBuf;

use adapter_delta::{DeltaError, DeltaLake, DeltaLanding, S3Bucket};
use adapter_dynamodb::DynamoState;
use adapter_kinesis::KinesisStream;
use adapter_sqs::SqsQueue;
use aws_config::{BehaviorVersion, SdkConfig};
use cdp_aws::fault;
use cdp_deployment::{Config, ConfigError, SETTINGS_FILE, Secrets, Settings};
use cdp_ports::PortError;

use crate::{Unset, Vars};

pub struct Surroundings {
    vars: Vars,
    aws: SdkConfig,
}

#[derive(thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Unset(#[from] Unset),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(
        "{0:?} is no lake on AWS; the stack sets CDP_LAKE to s3://BUCKET, and a job names one as s3://BUCKET/PREFIX"
    )]
    NotALake(String),
    #[error(
        "the environment variable {name} is {text:?} and no whole number; deploy the function by the stack, which sets it"
    )]
    NotANumber { name: &'static str, text: String },
    #[error("the secret {0} holds no text; put the deployment's secrets.toml into it")]
    NoSecret(String),
    #[error("the lake can't be opened: {0}")]
    Lake(#[from] DeltaError),
}

/// A process that can't start ends with its error's Debug, and whoever is paged reads that.
impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Surroundings {
    /// `vars`: of this process, read in `main`.
    pub async fn of(vars: Vars) -> Self {
        Self { vars, aws: aws_config::load_defaults(BehaviorVersion::latest()).await }
    }

    /// For adapters that one function has.
    pub fn aws(&self) -> &SdkConfig {
        &self.aws
    }

    /// A variable that one function has.
    pub fn var(&self, name: &'static str) -> Result<&str, StartError> {
        Ok(self.vars.get(name)?)
    }

    /// Likewise.
    pub fn number(&self, name: &'static str) -> Result<u32, StartError> {
        let text = self.var(name)?;
        text.parse().map_err(|_| StartError::NotANumber { name, text: text.to_owned() })
    }

    /// `cdp.toml`, packed beside the function's binary.
    pub fn settings(&self) -> Result<Settings, StartError> {
        Ok(Settings::read(&PathBuf::from(self.vars.get("LAMBDA_TASK_ROOT")?).join(SETTINGS_FILE))?)
    }

    /// Settings, with what Secrets Manager keeps.
    pub async fn config(&self) -> Result<Config, StartError> {
        Ok(Config::of(self.settings()?, self.secrets().await?)?)
    }

    async fn secrets(&self) -> Result<Secrets, StartError> {
        let secret = self.vars.get("CDP_SECRETS")?;
        let client = aws_sdk_secretsmanager::Client::new(&self.aws);
        let answer = client.get_secret_value().secret_id(secret).send().await;
        let answer = answer.map_err(|error| fault(format!("read the secret {secret}"), error))?;
        let text = answer.secret_string().ok_or_else(|| StartError::NoSecret(secret.to_owned()))?;
        Ok(Secrets::parse(text)?)
    }

    pub fn state(&self) -> Result<DynamoState, StartError> {
        Ok(DynamoState::new(&self.aws, self.vars.get("CDP_STATE_TABLE")?))
    }

    /// For one who only lands files.
    pub fn landing(&self) -> Result<DeltaLanding, StartError> {
        Ok(DeltaLanding::in_bucket(&self.bucket()?.bucket()?)?)
    }

    /// Where the deployment's own lake stands: `s3://BUCKET`.
    pub fn lake_place(&self) -> Result<&str, StartError> {
        Ok(self.vars.get("CDP_LAKE")?)
    }

    /// A lake as it is, for a reader: the deployment's own, or another one.
    pub fn lake_at(&self, place: &str) -> Result<DeltaLake, StartError> {
        Ok(DeltaLake::open_existing_bucket(self.bucket_at(place)?.bucket()?)?)
    }

    /// The deployment's own; a table is opened, and made if it is not there, when it is first asked for.
    pub fn lake(&self) -> Result<DeltaLake, StartError> {
        Ok(DeltaLake::in_bucket(self.bucket()?.bucket()?)?)
    }

    fn bucket(&self) -> Result<S3Bucket, StartError> {
        self.bucket_at(self.lake_place()?)
    }

    fn bucket_at(&self, place: &str) -> Result<S3Bucket, StartError> {
        let (name, prefix) = S3Bucket::name_and_prefix(place).ok_or_else(|| StartError::NotALake(place.to_owned()))?;
        Ok(S3Bucket::of(&self.aws, name, prefix)?)
    }

    /// `var`: the variable that holds the queue's URL.
    pub fn queue(&self, var: &'static str) -> Result<SqsQueue, StartError> {
        Ok(SqsQueue::new(&self.aws, self.vars.get(var)?))
    }

    pub fn stream(&self) -> Result<KinesisStream, StartError> {
        Ok(KinesisStream::new(&self.aws, self.vars.get("CDP_STREAM")?))
    }
}
