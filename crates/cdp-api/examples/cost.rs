//! What the front costs by itself: batches of 100 events of about 1.2 KB, over a stream that keeps nothing, one thread.
//!
//!     cargo run --release -p cdp-api --example cost

#![expect(clippy::print_stdout, reason = "an example prints what it found")]

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use cdp_api::kinesis::{StreamDescription, StreamFacts};
use cdp_api::{Api, ApiConfig, Limits, Metrics, Outside, Secret, Source};
use cdp_event::{PartitionId, Record, Sequence, Timestamp};
use cdp_ports::{Chance, Clock, NewRecord, PortResult, Stream};
use tower::ServiceExt;

const EVENTS: usize = 100;
const REQUESTS: usize = 2_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = ApiConfig {
        stream_name: "events".into(),
        sources: vec![Source { name: "web".into(), write_key: Secret::new("key"), events_per_second: None }],
        webhooks: vec![],
        access_keys: vec![],
        limits: Limits::default(),
    };
    let outside = Outside { stream: Arc::new(Nowhere), clock: Arc::new(Nowhere), chance: Arc::new(Nowhere) };
    let api = Arc::new(Api::new(config, outside, Metrics::install()?)?);
    let router = cdp_api::router(&api, Router::new());
    let events: Vec<_> = (0..EVENTS).map(event).collect();
    println!("{EVENTS} events of {} bytes in a request", events.iter().map(String::len).sum::<usize>() / EVENTS);
    let body = Bytes::from(format!(r#"{{"batch":[{}],"writeKey":"key"}}"#, events.join(",")));
    for path in ["/v1/batch", "/v1/batch?verdicts=true"] {
        let started = Instant::now();
        for _ in 0..REQUESTS {
            let answer = router.clone().oneshot(Request::post(path).body(Body::from(body.clone()))?).await?;
            if !answer.status().is_success() {
                return Err(format!("{path} answered {}", answer.status()).into());
            }
        }
        println!("{path}: {} ns an event", started.elapsed().as_nanos() / (REQUESTS * EVENTS) as u128);
    }
    Ok(())
}

fn event(number: usize) -> String {
    let properties: Vec<_> = (0..20).map(|at| format!(r#""property_{at}":"value {number} of {at}""#)).collect();
    format!(
        r#"{{"type":"track","event":"Product Viewed","properties":{{{},"price":19.5}},"context":{{"ip":"203.0.113.7",
        "locale":"en-GB","library":{{"name":"analytics.js","version":"next-1.84.3"}},"page":{{"path":"/products/{number}",
        "url":"https://shop.example/products/{number}?utm_source=mail","title":"A product of the shop"}},
        "userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"}},
        "messageId":"ajs-next-1700000000000-{number:036}","anonymousId":"{number:036}",
        "timestamp":"2026-01-31T09:30:00.000Z"}}"#,
        properties.join(",")
    )
}

struct Nowhere;

impl Stream for Nowhere {
    async fn partitions(&self) -> PortResult<Vec<PartitionId>> {
        Ok(vec![])
    }

    async fn append(&self, records: Vec<NewRecord>, _: Timestamp) -> PortResult<Vec<(PartitionId, Sequence)>> {
        black_box(records);
        Ok(vec![])
    }

    async fn read(&self, _: &PartitionId, _: Option<Sequence>, _: usize, _: usize) -> PortResult<Vec<Record>> {
        Ok(vec![])
    }
}

impl StreamDescription for Nowhere {
    async fn describe(&self) -> PortResult<StreamFacts> {
        Ok(StreamFacts { created_at: Timestamp::default(), retention: Duration::ZERO, shards: vec![] })
    }
}

impl Clock for Nowhere {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(1_800_000_000_000)
    }
}

impl Chance for Nowhere {
    fn draw(&self) -> u64 {
        7
    }
}
