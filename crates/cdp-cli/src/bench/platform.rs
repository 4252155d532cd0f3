//! The platform that a bench sends to: a fresh one in a process of its own, so that its CPU and memory are told apart from
//! the sender's; or one that runs somewhere, with `--url`.

use std::fs::{self, File};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use cdp_local::Created;
use serde_json::Value;
use tempfile::TempDir;

use super::client::Connection;
use super::measure::Usage;
use crate::fault::Fault;

const START: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// So long may nothing come in before we give up.
const STANDSTILL: Duration = Duration::from_secs(60);

/// A platform of our own; it ends with this value.
pub struct Platform {
    pub address: SocketAddr,
    pub keys: Created,
    process: Child,
    folder: TempDir,
}

impl Platform {
    /// Makes a deployment in a temporary folder, and runs it.
    pub fn start() -> Result<Self, Fault> {
        let folder = tempfile::tempdir()?;
        let keys = cdp_local::init(folder.path())?;
        allow_any_rate(&folder.path().join("secrets.toml"))?;
        let output = folder.path().join("up.log");
        let process = Command::new(std::env::current_exe()?)
            .args(["up", "--listen", "127.0.0.1:0", "--dir"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stderr(File::create(&output)?)
            .spawn()?;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut platform = Self { address: nowhere, keys, process, folder };
        platform.address = platform.wait_until_ready(&output)?;
        Ok(platform)
    }

    fn wait_until_ready(&mut self, output: &Path) -> Result<SocketAddr, Fault> {
        let began = Instant::now();
        while self.process.try_wait()?.is_none() && began.elapsed() < START {
            if let Some(address) = self.announced()
                && is_ready(address)
            {
                return Ok(address);
            }
            thread::sleep(LOOK_AGAIN);
        }
        let output = fs::read_to_string(output).unwrap_or_default();
        Err(Fault::unavailable(format!("`cdp up` of a fresh deployment did not start: {output}")))
    }

    /// Not by way of its lock, which could meet the start just when it takes it.
    fn announced(&self) -> Option<SocketAddr> {
        let text = fs::read(self.folder.path().join("run.json")).ok()?;
        serde_json::from_slice::<Value>(&text).ok()?["address"].as_str()?.parse().ok()
    }

    pub fn usage(&self) -> Usage {
        Usage::of_process(self.process.id())
    }
}

/// A token's usual rate is there to protect others; here there are none.
fn allow_any_rate(secrets: &Path) -> Result<(), Fault> {
    let text = fs::read_to_string(secrets)?;
    Ok(fs::write(secrets, text.replace("# requests_per_second = 1000\n", "requests_per_second = 1000000\n"))?)
}

impl Drop for Platform {
    /// By force: nobody needs its folder any more.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn is_ready(address: SocketAddr) -> bool {
    Connection::open(address)
        .and_then(|mut connection| connection.get("/healthz"))
        .is_ok_and(|(status, _)| status == 200)
}

/// The address behind `http://HOST:PORT`.
pub fn address_of(url: &str) -> Result<SocketAddr, Fault> {
    let wrong = || Fault::wrong(format!("--url {url}: no address; write http://HOST:PORT"));
    let host = url.strip_prefix("http://").ok_or_else(wrong)?.trim_end_matches('/');
    host.to_socket_addrs().ok().and_then(|mut addresses| addresses.next()).ok_or_else(wrong)
}

/// What a platform has counted so far, as it tells Prometheus.
pub struct Counters(Connection);

impl Counters {
    pub fn of(address: SocketAddr) -> Result<Self, Fault> {
        Connection::open(address).map(Self)
    }

    /// Events that ingest is done with, whatever became of them.
    pub fn ingested(&mut self) -> Result<u64, Fault> {
        self.sum("cdp_ingest_events_total", "")
    }

    /// Events that are in the tables.
    pub fn committed(&mut self) -> Result<u64, Fault> {
        let refused = self.sum("cdp_commit_rows_total", "table=\"quarantine\"")?;
        let duplicates = self.sum("cdp_ingest_events_total", "outcome=\"duplicate\"")?;
        Ok(self.sum("cdp_commit_rows_total", "table=\"events\"")? + refused + duplicates)
    }

    fn sum(&mut self, name: &str, label: &str) -> Result<u64, Fault> {
        let (_, text) = self.0.get("/metrics")?;
        Ok(sum(&String::from_utf8_lossy(&text), name, label))
    }

    /// Waits until a count has reached `target`.
    pub fn wait_for(&mut self, target: u64, count: impl Fn(&mut Self) -> Result<u64, Fault>) -> Result<(), Fault> {
        let (mut last, mut moved_at) = (0, Instant::now());
        loop {
            let counted = count(self)?;
            if counted >= target {
                return Ok(());
            }
            if counted > last {
                (last, moved_at) = (counted, Instant::now());
            }
            if moved_at.elapsed() > STANDSTILL {
                return Err(Fault::no(format!("{target} events were sent, and only {counted} have come in")));
            }
            thread::sleep(LOOK_AGAIN);
        }
    }
}

/// Of all samples of a metric that have this label.
fn sum(text: &str, name: &str, label: &str) -> u64 {
    let samples = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once("} "));
    samples.filter(|(labels, _)| labels.contains(label)).filter_map(|(_, value)| value.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_by_label() {
        let text = "# TYPE cdp_x_total counter\ncdp_x_total{partition=\"a\",outcome=\"accepted\"} 3\n\
            cdp_x_total{partition=\"b\",outcome=\"accepted\"} 4\ncdp_x_total{partition=\"b\",outcome=\"duplicate\"} 1\n\
            cdp_x_totally{outcome=\"accepted\"} 9\n";
        assert_eq!(sum(text, "cdp_x_total", ""), 8);
        assert_eq!(sum(text, "cdp_x_total", "outcome=\"accepted\""), 7);
    }

    #[test]
    fn a_url_that_is_none_is_told_with_its_remedy() {
        assert_eq!(address_of("http://127.0.0.1:8080/").ok().map(|address| address.port()), Some(8080));
        assert!(matches!(address_of("127.0.0.1"), Err(Fault::Wrong(text)) if text.contains("write http://HOST:PORT")));
    }
}
