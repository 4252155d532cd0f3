//! Queue as an SQS queue, by its URL.

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use cdp_aws::fault;
use cdp_ports::{PortResult, Queue};

pub struct SqsQueue {
    client: Client,
    url: String,
}

impl SqsQueue {
    pub fn new(config: &SdkConfig, url: impl Into<String>) -> Self {
        Self { client: Client::new(config), url: url.into() }
    }
}

impl Queue for SqsQueue {
    async fn send(&self, message: &str) -> PortResult<()> {
        let sent = self.client.send_message().queue_url(&self.url).message_body(message).send().await;
        sent.map(drop).map_err(|error| fault(format!("send a message to {}", self.url), error))
    }
}
