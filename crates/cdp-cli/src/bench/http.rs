//! The HTTP API under load: batches of events over a few kept connections, as an SDK's server side sends them, and the
//! whole platform behind it.

use std::net::SocketAddr;
use std::time::Instant;

use axum::http::{Request, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::Args;
use http_body_util::Full;

use super::load::{Load, Outcome};
use super::measure::Usage;
use super::platform::{Counters, Platform, address_of};
use super::report::{Output, Report};
use super::source::Events;
use crate::fault::Fault;
use crate::progress;

/// Measures how many events a second come in over HTTP.
///
/// Without --url, starts a fresh platform for it, in a process of its own.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cdp bench http --rate 50000 --json http.json\n\
    \x20 cdp bench http --events labelled/events.jsonl\n\
    \x20 cdp bench http --url http://10.0.0.7:8080 --write-key $KEY")]
pub struct Http {
    #[command(flatten)]
    events: Events,
    /// Events of one request.
    #[arg(long, default_value_t = 100)]
    batch: usize,
    /// How many are kept open.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Events a second; as many as are answered otherwise.
    #[arg(long)]
    rate: Option<f64>,
    /// A platform that runs, to which nobody else sends.
    #[arg(long, requires = "write_key")]
    url: Option<String>,
    /// Of a source of that platform.
    #[arg(long, requires = "url")]
    write_key: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// A request's body, made before the clock starts, and how many events it has.
pub struct Batch {
    events: u64,
    body: Bytes,
}

impl Http {
    pub fn run(self) -> Result<(), Fault> {
        let batches = batches(self.events.each()?, self.batch)?;
        let mut report = Report::of("http");
        self.events.tell(&mut report);
        report.parameter("batch", self.batch);
        report.parameter("connections", self.connections);
        report.parameter("rate", self.rate);
        if let (Some(url), Some(key)) = (&self.url, &self.write_key) {
            self.measure(address_of(url)?, key, &batches, None, &mut report)?;
        } else {
            let platform = Platform::start()?;
            self.measure(platform.address, &platform.keys.write_key, &batches, Some(&platform.usage()), &mut report)?;
        }
        report.publish(&self.output)
    }

    fn measure(
        &self,
        to: SocketAddr,
        write_key: &str,
        batches: &[Batch],
        server: Option<&Usage>,
        report: &mut Report,
    ) -> Result<(), Fault> {
        let events: u64 = batches.iter().map(|batch| batch.events).sum();
        let mut counters = Counters::of(to)?;
        let (ingested, committed) = (counters.ingested()?, counters.committed()?);
        let (began, sender) = (Instant::now(), Usage::of_this_process());

        let rate = self.rate.map(|events| events / self.batch.max(1) as f64);
        let Outcome { latencies, put_off, wall, .. } = send(to, write_key, batches, self.connections, rate)?;
        report.count("events", events);
        report.count("requests", latencies.count());
        report.count("requests_put_off", put_off);
        report.rate("events_per_second_answered", events, wall);

        counters.wait_for(ingested + events, Counters::ingested)?;
        report.rate("events_per_second_ingested", events, began.elapsed());
        report.seconds("ingested_after_the_last_answer", began.elapsed().saturating_sub(wall));
        counters.wait_for(committed + events, Counters::committed)?;
        report.seconds("in_the_tables_after_the_last_answer", began.elapsed().saturating_sub(wall));

        latencies.tell("request", report);
        if let Some(server) = server {
            report.cpu("server_cpu", server, events);
            report.peak_memory("server_peak_memory", server);
        }
        report.cpu("sender_cpu", &sender, events);
        Ok(())
    }
}

/// Lines that are no JSON are left out: a batch is one JSON document.
pub fn batches(events: impl Iterator<Item = std::io::Result<Bytes>>, size: usize) -> Result<Vec<Batch>, Fault> {
    let is_json = |line: &Bytes| serde_json::from_slice::<&serde_json::value::RawValue>(line).is_ok();
    let mut events = events.filter(|line| line.as_ref().map_or(true, is_json));
    let mut batches = vec![];
    loop {
        let some: Vec<Bytes> = events.by_ref().take(size.max(1)).collect::<Result<_, _>>()?;
        if some.is_empty() {
            return Ok(batches);
        }
        let body = [b"{\"batch\":[", some.join(&b',').as_slice(), b"]}"].concat();
        batches.push(Batch { events: some.len() as u64, body: body.into() });
    }
}

pub fn send(
    to: SocketAddr,
    write_key: &str,
    batches: &[Batch],
    connections: usize,
    rate: Option<f64>,
) -> Result<Outcome, Fault> {
    let authorization = format!("Basic {}", STANDARD.encode(format!("{write_key}:")));
    let request = |number: u64| {
        let body = batches.get(number as usize).map(|batch| batch.body.clone()).unwrap_or_default();
        let request = Request::post("/v1/batch")
            .header(header::AUTHORIZATION, &authorization)
            .header(header::CONTENT_TYPE, "application/json");
        request.body(Full::new(body)).map_err(Fault::wrong)
    };
    let bar = progress::towards(batches.len() as u64, "batches");
    let load = Load { to, connections, requests: batches.len() as u64, rate, request, progress: &bar };
    let outcome = load.send();
    bar.finish_and_clear();
    outcome
}
