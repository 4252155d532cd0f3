//! What the front counts, and the place where Prometheus reads it.
//!
//! | metric | labels |
//! |---|---|
//! | `cdp_events_taken_total` | `source`; `stream` for the Kinesis API's records |
//! | `cdp_event_bytes_total` | `source` |
//! | `cdp_requests_refused_total` | `code` |
//! | `cdp_request_seconds` (histogram) | `route`, `status` |

use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

const REQUEST_SECONDS: [f64; 12] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// How often samples are folded into histograms when nobody reads them; unread samples take memory.
const UPKEEP: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Makes this the process's recorder. Once in a process, in a tokio runtime, before anything counts.
    pub fn install() -> Result<Self, BuildError> {
        let handle = Self::builder()?.install_recorder()?;
        let upkept = handle.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                upkept.run_upkeep();
            }
        });
        Ok(Self(handle))
    }

    /// Counts nothing: for tests that share a process.
    pub fn detached() -> Self {
        Self(PrometheusBuilder::new().build_recorder().handle())
    }

    pub(crate) fn render(&self) -> String {
        self.0.render()
    }

    fn builder() -> Result<PrometheusBuilder, BuildError> {
        PrometheusBuilder::new().set_buckets_for_metric(Matcher::Full("cdp_request_seconds".into()), &REQUEST_SECONDS)
    }
}
