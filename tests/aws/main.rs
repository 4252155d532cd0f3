//! The ports' contracts, kept by the AWS adapters against the endpoint in `AWS_ENDPOINT_URL`: an emulator; `state`, two. Never an
//! account's: these tests make tables and streams.

#![expect(clippy::expect_used, reason = "a test fails by a panic")]

mod drops;
mod lake;
mod state;
mod stream;
mod warehouse;

use aws_config::{BehaviorVersion, SdkConfig};

async fn config() -> SdkConfig {
    let endpoint = std::env::var("AWS_ENDPOINT_URL").expect("AWS_ENDPOINT_URL names the emulator");
    aws_config::defaults(BehaviorVersion::latest()).endpoint_url(endpoint).load().await
}

/// A name that no other run and no other check has.
fn fresh_name(of: &str) -> String {
    format!("{of}-{:016x}", rand::random::<u64>())
}
