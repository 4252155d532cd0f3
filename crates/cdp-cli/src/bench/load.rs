//! Requests over a few kept connections, at a steady rate or as fast as they are answered. At a rate, a latency counts
//! from when the request was due, so a stall is not hidden by the requests that it kept from being sent.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use axum::http::{Request, StatusCode};
use bytes::Bytes;
use http_body_util::Full;
use indicatif::ProgressBar;

use super::client::Connection;
use super::latency::Latencies;
use super::stores::joined;
use crate::fault::Fault;

/// Before a request that was put off is sent again.
const PUT_OFF: Duration = Duration::from_millis(20);

/// What there is to send.
pub struct Load<'l, R> {
    pub to: SocketAddr,
    pub connections: usize,
    pub requests: u64,
    /// Requests a second, all connections together. `None`: as fast as they are answered.
    pub rate: Option<f64>,
    /// The request of that number.
    pub request: R,
    pub progress: &'l ProgressBar,
}

#[derive(Debug, Default)]
pub struct Outcome {
    pub latencies: Latencies,
    pub not_found: u64,
    /// How often the answer was to come back later.
    pub put_off: u64,
    pub wall: Duration,
}

enum Verdict {
    Done,
    NotFound,
    Later,
}

impl<R> Load<'_, R>
where
    R: Fn(u64) -> Result<Request<Full<Bytes>>, Fault> + Sync,
{
    pub fn send(&self) -> Result<Outcome, Fault> {
        let next = AtomicU64::new(0);
        let began = Instant::now();
        let mut outcome = thread::scope(|scope| {
            let senders: Vec<_> =
                (0..self.connections.max(1)).map(|_| scope.spawn(|| self.sender(&next, began))).collect();
            let mut total = Outcome::default();
            for sender in senders {
                let one = joined(sender)?;
                total.latencies.add(one.latencies);
                total.not_found += one.not_found;
                total.put_off += one.put_off;
            }
            Ok::<_, Fault>(total)
        })?;
        outcome.wall = began.elapsed();
        Ok(outcome)
    }

    fn sender(&self, next: &AtomicU64, began: Instant) -> Result<Outcome, Fault> {
        let mut connection = Connection::open(self.to)?;
        let mut outcome = Outcome::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= self.requests {
                return Ok(outcome);
            }
            let due = self.wait_until_due(number, began);
            loop {
                match verdict(connection.send((self.request)(number)?)?)? {
                    Verdict::Done => break,
                    Verdict::NotFound => {
                        outcome.not_found += 1;
                        break;
                    }
                    Verdict::Later => {
                        outcome.put_off += 1;
                        thread::sleep(PUT_OFF);
                    }
                }
            }
            outcome.latencies.push(due.elapsed());
            self.progress.inc(1);
        }
    }

    fn wait_until_due(&self, number: u64, began: Instant) -> Instant {
        let Some(rate) = self.rate else { return Instant::now() };
        let due = began + Duration::from_secs_f64(number as f64 / rate);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        due
    }
}

fn verdict((status, answer): (StatusCode, Bytes)) -> Result<Verdict, Fault> {
    match status {
        StatusCode::OK => Ok(Verdict::Done),
        StatusCode::NOT_FOUND => Ok(Verdict::NotFound),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Ok(Verdict::Later),
        _ => Err(Fault::no(format!("a request was answered {status}: {}", String::from_utf8_lossy(&answer)))),
    }
}
