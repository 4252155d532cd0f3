//! The HTTP API under load: batches of events over a few connections that are kept, as an SDK's server side sends them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::latency::Latencies;
use super::source::lines;
use crate::fault::Fault;
use crate::output::{Format, Rows};

/// Measures how many events a second a running platform takes over HTTP.
///
/// Example: cdp bench http --events labelled/events.jsonl --write-key $KEY
#[derive(Debug, Args)]
pub struct Http {
    /// One event a line. Lines that are no JSON object are left out: a batch is one JSON document.
    #[arg(long)]
    events: PathBuf,
    #[arg(long)]
    write_key: String,
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Events of one request.
    #[arg(long, default_value_t = 100)]
    batch: usize,
    #[arg(long, default_value_t = 8)]
    connections: usize,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

type Caller = Client<HttpConnector, Full<Bytes>>;

impl Http {
    pub fn run(self) -> Result<(), Fault> {
        let bodies = Arc::new(self.bodies()?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let began = Instant::now();
        let latencies = runtime.block_on(self.send(Arc::clone(&bodies)))?;
        self.report(bodies.iter().map(|(events, _)| events).sum(), &latencies, began.elapsed())
    }

    fn bodies(&self) -> Result<Vec<(usize, Bytes)>, Fault> {
        let is_json = |line: &Bytes| serde_json::from_slice::<&serde_json::value::RawValue>(line).is_ok();
        let events: Vec<Bytes> = lines(&self.events)?.into_iter().filter(is_json).collect();
        let body = |batch: &[Bytes]| {
            (batch.len(), [b"{\"batch\":[", batch.join(&b','.to_owned()).as_slice(), b"]}"].concat().into())
        };
        Ok(events.chunks(self.batch.max(1)).map(body).collect())
    }

    async fn send(&self, bodies: Arc<Vec<(usize, Bytes)>>) -> Result<Latencies, Fault> {
        let next = Arc::new(AtomicUsize::new(0));
        let credentials = base64(&format!("{}:", self.write_key));
        let tasks: Vec<_> = (0..self.connections.max(1))
            .map(|_| {
                let sender = Sender {
                    client: Client::builder(TokioExecutor::new()).build_http(),
                    url: format!("{}/v1/batch", self.url.trim_end_matches('/')),
                    authorization: format!("Basic {credentials}"),
                };
                tokio::spawn(sender.send_all(Arc::clone(&bodies), Arc::clone(&next)))
            })
            .collect();
        let mut latencies = Latencies::default();
        for task in tasks {
            latencies.add(task.await.map_err(Fault::unavailable)??);
        }
        Ok(latencies)
    }

    fn report(&self, events: usize, latencies: &Latencies, wall: Duration) -> Result<(), Fault> {
        let mut rows = Rows::new(&["figure", "value", "unit"]);
        rows.push(["events".into(), events.into(), "".into()]);
        rows.push(["events a second".into(), (events as f64 / wall.as_secs_f64()).round().into(), "1/s".into()]);
        latencies.push_to(&mut rows);
        Ok(rows.print(self.format)?)
    }
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

struct Sender {
    client: Caller,
    url: String,
    authorization: String,
}

impl Sender {
    async fn send_all(self, bodies: Arc<Vec<(usize, Bytes)>>, next: Arc<AtomicUsize>) -> Result<Latencies, Fault> {
        let mut latencies = Latencies::default();
        while let Some((_, body)) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
            let began = Instant::now();
            while !self.send(body.clone()).await? {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            latencies.push(began.elapsed());
        }
        Ok(latencies)
    }

    /// False: to be sent again later.
    async fn send(&self, body: Bytes) -> Result<bool, Fault> {
        let request = axum::http::Request::post(&self.url)
            .header("authorization", &self.authorization)
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(Fault::wrong)?;
        let response = self.client.request(request).await.map_err(Fault::unavailable)?;
        let status = response.status();
        let answer = response.into_body().collect().await.map_err(Fault::unavailable)?.to_bytes();
        match status.as_u16() {
            200 => Ok(true),
            429 | 503 => Ok(false),
            _ => Err(Fault::no(format!("{status}: {}", String::from_utf8_lossy(&answer)))),
        }
    }
}
