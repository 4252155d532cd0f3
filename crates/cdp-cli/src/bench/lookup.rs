//! Profile lookups at a steady rate. A latency counts from when the lookup was due, so a stall is not hidden by the
//! requests that it kept from being sent.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::latency::Latencies;
use super::source::lines;
use crate::fault::Fault;
use crate::output::{Format, Rows};

/// Measures profile lookups of a running platform.
///
/// Example: cdp bench lookup --names names.txt --token $TOKEN --rate 5000 --seconds 20
#[derive(Debug, Args)]
pub struct Lookup {
    /// One `NAMESPACE:VALUE` a line; each is looked up in turn.
    #[arg(long)]
    names: PathBuf,
    #[arg(long)]
    token: String,
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Lookups a second.
    #[arg(long, default_value_t = 5000)]
    rate: u32,
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

type Caller = Client<HttpConnector, Empty<Bytes>>;

/// How often lookups are sent: as many as are due since the last time.
const TICK: Duration = Duration::from_millis(1);

impl Lookup {
    pub fn run(self) -> Result<(), Fault> {
        let names: Vec<String> =
            lines(&self.names)?.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        if names.is_empty() {
            return Err(Fault::wrong(format!("{} names nobody", self.names.display())));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let began = Instant::now();
        let (latencies, missing) = runtime.block_on(self.look_up(&names))?;
        let mut rows = Rows::new(&["figure", "value", "unit"]);
        let rate = latencies.count() as f64 / began.elapsed().as_secs_f64();
        rows.push(["lookups".into(), latencies.count().into(), "".into()]);
        rows.push(["not found".into(), missing.into(), "".into()]);
        rows.push(["lookups a second".into(), rate.round().into(), "1/s".into()]);
        latencies.push_to(&mut rows);
        Ok(rows.print(self.format)?)
    }

    async fn look_up(&self, names: &[String]) -> Result<(Latencies, usize), Fault> {
        let client: Arc<Caller> = Arc::new(Client::builder(TokioExecutor::new()).build_http());
        let authorization: Arc<str> = format!("Bearer {}", self.token).into();
        let total = u64::from(self.rate) * u64::from(self.seconds);
        let began = Instant::now();
        let mut tasks = Vec::new();
        let mut sent = 0;
        while sent < total {
            let due = (began.elapsed().as_secs_f64() * f64::from(self.rate)) as u64;
            while sent < due.min(total) {
                let name = &names[sent as usize % names.len()];
                let url = format!("{}/v1/profiles/{}", self.url.trim_end_matches('/'), name.replace('+', "%2B"));
                let when = began + Duration::from_secs_f64(sent as f64 / f64::from(self.rate));
                tasks.push(tokio::spawn(one(Arc::clone(&client), url, Arc::clone(&authorization), when)));
                sent += 1;
            }
            tokio::time::sleep(TICK).await;
        }
        let (mut latencies, mut missing) = (Latencies::default(), 0);
        for task in tasks {
            let (latency, found) = task.await.map_err(Fault::unavailable)??;
            latencies.push(latency);
            missing += usize::from(!found);
        }
        Ok((latencies, missing))
    }
}

async fn one(
    client: Arc<Caller>,
    url: String,
    authorization: Arc<str>,
    due: Instant,
) -> Result<(Duration, bool), Fault> {
    let request = axum::http::Request::get(url).header("authorization", &*authorization);
    let request = request.body(Empty::new()).map_err(Fault::wrong)?;
    let response = client.request(request).await.map_err(Fault::unavailable)?;
    let status = response.status();
    response.into_body().collect().await.map_err(Fault::unavailable)?;
    match status.as_u16() {
        200 => Ok((due.elapsed(), true)),
        404 => Ok((due.elapsed(), false)),
        _ => Err(Fault::no(format!("a lookup was answered {status}"))),
    }
}
