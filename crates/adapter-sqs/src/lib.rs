//! A queue of SQS, for whoever sends to it. What receives is Lambda's part.

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use cdp_aws::fault;
use cdp_ports::PortResult;

pub struct SqsQueue {
    client: Client,
    url: String,
}

impl SqsQueue {
    pub fn new(config: &SdkConfig, url: impl Into<String>) -> Self {
        Self { client: Client::new(config), url: url.into() }
    }

    /// Durable once answered. `Busy`: it may have been sent; a repeat sends it again.
    pub async fn send(&self, body: impl Into<String>) -> PortResult<()> {
        let sent = self.client.send_message().queue_url(&self.url).message_body(body).send().await;
        sent.map(drop).map_err(|error| fault(format!("send to the queue {}", self.url), error))
    }
}
