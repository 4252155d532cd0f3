//! The stack of a deployment, and what it tells of itself: `infra/lib/road.ts` has the names.

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::ProvideErrorMetadata;
use aws_sdk_cloudformation::types;
use cdp_aws::fault;

use crate::RemoteError;
use crate::error::no_credentials;

#[derive(Clone, Debug)]
pub(crate) struct Stack {
    name: String,
    outputs: HashMap<String, String>,
}

impl Stack {
    /// `stage`: as the deployment was told.
    pub async fn find(config: &SdkConfig, stage: &str) -> Result<Self, RemoteError> {
        let name = format!("cdp-{stage}");
        let region = config.region().ok_or(RemoteError::NoRegion)?;
        let answer = Client::new(config).describe_stacks().stack_name(&name).send().await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if is_missing(error.message()) => {
                return Err(RemoteError::NoStack { stack: name, region: region.to_string() });
            }
            Err(error) => {
                // The request was not even made, as a rule for want of somebody to make it.
                if error.as_service_error().is_none() {
                    check_credentials(config).await?;
                }
                return Err(fault(format!("cloudformation:DescribeStacks of {name}"), error).into());
            }
        };
        Ok(Self::of(name, answer.stacks.unwrap_or_default()))
    }

    fn of(name: String, described: Vec<types::Stack>) -> Self {
        let outputs = described.into_iter().flat_map(|stack| stack.outputs.unwrap_or_default());
        let outputs = outputs.filter_map(|output| Some((output.output_key?, output.output_value?)));
        Self { name, outputs: outputs.collect() }
    }

    pub fn output(&self, output: &'static str) -> Result<&str, RemoteError> {
        let value = self.outputs.get(output).map(String::as_str);
        value.ok_or_else(|| RemoteError::NoOutput { stack: self.name.clone(), output })
    }
}

/// CloudFormation has no code of its own for it.
fn is_missing(message: Option<&str>) -> bool {
    message.is_some_and(|message| message.contains("does not exist"))
}

async fn check_credentials(config: &SdkConfig) -> Result<(), RemoteError> {
    let provider = config.credentials_provider().ok_or_else(|| RemoteError::NoCredentials("no provider".to_owned()))?;
    provider.provide_credentials().await.map(drop).map_err(|error| no_credentials(&error))
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudformation::types::Output;

    use super::*;

    #[test]
    fn an_output_that_an_older_release_lacks_is_told_with_the_remedy() {
        let output = Output::builder().output_key("StateTable").output_value("cdp-dev-state").build();
        let stack = Stack::of("cdp-dev".to_owned(), vec![types::Stack::builder().outputs(output).build()]);
        assert_eq!(stack.output("StateTable").expect("it is there"), "cdp-dev-state");
        let error = stack.output("DropBucket").expect_err("it is not").to_string();
        assert_eq!(error, "the stack cdp-dev has no output DropBucket; deploy it again with this release");
    }
}
