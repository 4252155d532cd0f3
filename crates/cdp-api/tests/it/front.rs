//! The one place that knows how the front is built and called.

use std::io::Write;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use cdp_api::{AccessKey, Api, ApiConfig, Limits, Metrics, Outside, Secret, Source};
use cdp_event::{Envelope, Timestamp};
use cdp_ports::{Chance, Clock};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tower::ServiceExt;

use crate::memory_stream::MemoryStream;
use crate::webhooks::webhooks;

/// `web` by basic authentication.
pub const WEB: (&str, &str) = ("authorization", "Basic a2V5Og==");
pub const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

pub struct Front {
    pub stream: Arc<MemoryStream>,
    pub clock: Arc<HandClock>,
    pub api: Arc<Api<MemoryStream>>,
    router: Router,
}

pub struct HandClock(AtomicI64);

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Sources `web` (write key `key`) and `slow` (write key `slow`, 10 events a second), and some webhooks; two shards; limits
/// of a deployment.
pub fn front() -> Front {
    front_with(Limits::default(), vec![])
}

pub fn front_with(limits: Limits, access_keys: Vec<AccessKey>) -> Front {
    let source = |name: &str, key: &str, limit| Source {
        name: name.into(),
        write_key: Secret::new(key),
        events_per_second: NonZeroU32::new(limit),
    };
    let sources = vec![source("web", "key", 0), source("slow", "slow", 10)];
    let config = ApiConfig { stream_name: "events".into(), sources, webhooks: webhooks(), access_keys, limits };
    let stream = Arc::new(MemoryStream::default());
    let clock = Arc::new(HandClock(AtomicI64::new(NOW.as_ms())));
    let outside =
        Outside { stream: stream.clone(), clock: clock.clone(), chance: Arc::new(CountingChance(AtomicU64::new(1))) };
    let api = Arc::new(Api::new(config, outside, Metrics::detached()).expect("a sound configuration"));
    Front { stream, clock, router: cdp_api::router(&api, Router::new()), api }
}

impl Front {
    pub async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        call(&self.router, method, path, headers, body).await
    }

    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        self.call("POST", path, headers, body).await
    }

    /// What stands in the stream: partition key, envelope, event.
    pub async fn kept(&self) -> Vec<(String, Envelope, String)> {
        let unwrap = |record: cdp_event::Record| {
            let (envelope, event) = Envelope::unwrap(&record.data).expect("an envelope").expect("a whole one");
            (record.partition_key.to_string(), envelope, String::from_utf8(event.to_vec()).expect("UTF-8"))
        };
        self.stream.all().await.into_iter().map(unwrap).collect()
    }
}

pub async fn call(
    router: &Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Answer {
    let request = headers.iter().fold(Request::builder().method(method).uri(path), |r, (k, v)| r.header(*k, *v));
    let request = request.body(body.into()).expect("a request");
    let response = router.clone().oneshot(request).await.expect("infallible");
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body in memory");
    Answer { status: parts.status, headers: parts.headers, body }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or("").to_owned()
    }

    /// In the form of Segment's Profile API.
    pub fn error_code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or("").to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }
}

impl HandClock {
    pub fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::Relaxed))
    }
}

struct CountingChance(AtomicU64);

impl Chance for CountingChance {
    fn draw(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}
