//! Stream in Kinesis.

use std::time::Duration;

use adapter_kinesis::KinesisStream;
use aws_config::SdkConfig;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::StreamStatus;

const SHARDS: i32 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract_of_stream() {
    let config = crate::config().await;
    cdp_ports::conformance::stream::all(async || fresh_stream(&config).await).await;
}

async fn fresh_stream(config: &SdkConfig) -> KinesisStream {
    let (client, name) = (Client::new(config), crate::fresh_name("stream"));
    client.create_stream().stream_name(&name).shard_count(SHARDS).send().await.expect("a new stream");
    loop {
        let stream = client.describe_stream_summary().stream_name(&name).send().await.expect("it is there");
        let status = stream.stream_description_summary().map(|summary| summary.stream_status().clone());
        if status == Some(StreamStatus::Active) {
            return KinesisStream::new(config, name);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
