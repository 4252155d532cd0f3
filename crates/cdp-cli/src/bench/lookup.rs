//! Profile lookups over HTTP at a steady rate.

use std::net::SocketAddr;
use std::path::PathBuf;

use axum::http::{Request, header};
use cdp_ports::Clock;
use clap::Args;
use http_body_util::Full;

use super::http::{batches, send};
use super::load::{Load, Outcome};
use super::measure::Usage;
use super::people::{People, Person};
use super::platform::{Counters, Platform, address_of};
use super::report::{Output, Report};
use super::source::lines;
use crate::fault::Fault;
use crate::path::in_a_path;
use crate::progress;
use adapter_machine::Machine;

/// Measures profile lookups over HTTP.
///
/// Without --url, starts a fresh platform for it, in a process of its own, and sends it people.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cdp bench lookup --rate 5000 --seconds 20 --json lookup.json\n\
    \x20 cdp bench lookup --url http://10.0.0.7:8080 --token $TOKEN --names names.txt")]
pub struct Lookup {
    /// How many people the fresh platform is sent.
    #[arg(long, default_value_t = 100_000, conflicts_with = "url")]
    people: u64,
    /// Lookups a second.
    #[arg(long, default_value_t = 5000)]
    rate: u32,
    /// How long it asks.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// How many are kept open.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// A platform that runs.
    #[arg(long, requires_all = ["token", "names"])]
    url: Option<String>,
    /// Of that platform, with the scope profiles:read.
    #[arg(long, requires = "url")]
    token: Option<String>,
    /// One `NAMESPACE:VALUE` a line; each is looked up in turn.
    #[arg(long, value_name = "FILE", requires = "url")]
    names: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

impl Lookup {
    pub fn run(self) -> Result<(), Fault> {
        let mut report = Report::of("lookup");
        report.parameter("rate", self.rate);
        report.parameter("seconds", self.seconds);
        report.parameter("connections", self.connections);
        if let (Some(url), Some(token), Some(names)) = (&self.url, &self.token, &self.names) {
            let paths: Vec<String> = lines(names)?.iter().map(|name| path_to(&String::from_utf8_lossy(name))).collect();
            self.measure(address_of(url)?, token, &paths, None, &mut report)?;
        } else {
            report.parameter("people", self.people);
            let platform = Platform::start()?;
            self.send_people(&platform)?;
            let anybody = || Person::number(rand::random_range(0..self.people.max(1))).names();
            let paths: Vec<String> = (0..self.total()).map(|at| path_to(&anybody()[at as usize % 3])).collect();
            self.measure(platform.address, &platform.keys.api_token, &paths, Some(&platform.usage()), &mut report)?;
        }
        report.publish(&self.output)
    }

    fn total(&self) -> u64 {
        u64::from(self.rate) * u64::from(self.seconds)
    }

    fn send_people(&self, platform: &Platform) -> Result<(), Fault> {
        let batches = batches(People::all(self.people, Machine.now()).map(Ok), 100)?;
        send(platform.address, &platform.keys.write_key, &batches, 8, None)?;
        let waiting = progress::waiting("waiting until they are taken in");
        let taken_in = Counters::of(platform.address)?.wait_for(self.people * 2, Counters::committed);
        waiting.finish_and_clear();
        taken_in
    }

    fn measure(
        &self,
        to: SocketAddr,
        token: &str,
        paths: &[String],
        server: Option<&Usage>,
        report: &mut Report,
    ) -> Result<(), Fault> {
        if paths.is_empty() {
            return Err(Fault::wrong("there is nobody to look up; put names into the file of --names"));
        }
        let authorization = format!("Bearer {token}");
        let request = |number: u64| {
            let path = &paths[number as usize % paths.len()];
            let request = Request::get(path).header(header::AUTHORIZATION, &authorization);
            request.body(Full::default()).map_err(Fault::wrong)
        };
        let sender = Usage::of_this_process();
        let bar = progress::towards(self.total(), "lookups");
        let rate = Some(f64::from(self.rate));
        let load = Load { to, connections: self.connections, requests: self.total(), rate, request, progress: &bar };
        let Outcome { latencies, not_found, put_off, wall } = load.send()?;
        bar.finish_and_clear();

        report.count("lookups", latencies.count());
        report.count("not_found", not_found);
        report.count("put_off", put_off);
        report.rate("lookups_per_second", latencies.count(), wall);
        if let Some(server) = server {
            report.cpu("server_cpu", server, latencies.count());
            report.peak_memory("server_peak_memory", server);
        }
        report.cpu("sender_cpu", &sender, latencies.count());
        latencies.tell("lookup", report);
        Ok(())
    }
}

fn path_to(name: &str) -> String {
    format!("/v1/profiles/{}", in_a_path(name))
}
