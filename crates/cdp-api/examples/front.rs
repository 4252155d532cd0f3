//! The front alone, over a stream in memory: what SDKs are tried against where the rest of the platform is not wanted.
//!
//!     cargo run -p cdp-api --example front -- 127.0.0.1:8080 [ACCESS_KEY_ID SECRET]
//!
//! Source `web` has the write key `key`; the stream is `events`; with an access key, its callers must sign.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "an example is read by whoever started it")]

#[expect(dead_code, reason = "what tests look at")]
#[path = "../tests/it/memory_stream.rs"]
mod memory_stream;

use std::collections::hash_map::RandomState;
use std::error::Error;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use cdp_api::{AccessKey, Api, ApiConfig, Limits, Metrics, Outside, Secret, Source};
use cdp_event::Timestamp;
use cdp_ports::{Chance, Clock};
use memory_stream::MemoryStream;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_env_filter("cdp_api=info").init();
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or("127.0.0.1:8080".into());
    let access_key = args.next().zip(args.next()).map(|(id, secret)| AccessKey { id, secret: Secret::new(secret) });
    let config = ApiConfig {
        stream_name: "events".into(),
        sources: vec![Source { name: "web".into(), write_key: Secret::new("key"), events_per_second: None }],
        webhooks: vec![],
        access_keys: access_key.into_iter().collect(),
        limits: Limits::default(),
    };
    let outside = Outside {
        stream: Arc::new(MemoryStream::default()),
        clock: Arc::new(SystemClock),
        chance: Arc::new(SystemChance),
    };
    let api = Arc::new(Api::new(config, outside, Metrics::install()?)?);
    let listener = tokio::net::TcpListener::bind(&address).await?;
    api.set_ready(true);
    println!("listening on {}", listener.local_addr()?);
    Ok(axum::serve(listener, cdp_api::router(&api, Router::new())).await?)
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_ms(since.as_millis() as i64)
    }
}

struct SystemChance;

impl Chance for SystemChance {
    fn draw(&self) -> u64 {
        RandomState::new().hash_one(())
    }
}
