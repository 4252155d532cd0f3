//! Latencies, and the few of them that are worth printing.

use std::time::Duration;

use crate::output::Rows;

#[derive(Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    pub fn push(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    pub fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest latency that so many thousandths of all do not exceed.
    fn thousandth(sorted: &[Duration], share: usize) -> Duration {
        let at = (sorted.len() * share).div_ceil(1000).saturating_sub(1);
        sorted.get(at).copied().unwrap_or_default()
    }

    pub fn push_to(&self, rows: &mut Rows) {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        for (name, share) in [("p50", 500), ("p90", 900), ("p99", 990), ("p99.9", 999), ("slowest", 1000)] {
            let ms = Self::thousandth(&sorted, share).as_secs_f64() * 1000.0;
            rows.push([name.into(), serde_json::json!((ms * 1000.0).round() / 1000.0), "ms".into()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_counted_from_the_fastest() {
        let sorted: Vec<Duration> = (1..=1000).map(Duration::from_millis).collect();
        let of = |share| Latencies::thousandth(&sorted, share).as_millis();
        assert_eq!((of(500), of(990), of(1000)), (500, 990, 1000));
        assert_eq!(Latencies::thousandth(&[], 990), Duration::ZERO);
    }
}
