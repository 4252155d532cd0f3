//! Latencies, and the few of them that are worth telling.

use std::time::Duration;

use super::report::Report;

#[derive(Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    pub fn push(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    pub fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// The smallest latency that so many thousandths of all do not exceed.
    fn thousandth(sorted: &[Duration], share: usize) -> Duration {
        let at = (sorted.len() * share).div_ceil(1000).saturating_sub(1);
        sorted.get(at).copied().unwrap_or_default()
    }

    pub fn tell(mut self, what: &str, report: &mut Report) {
        self.0.sort_unstable();
        for (name, share) in [("p50", 500), ("p90", 900), ("p99", 990), ("p99_9", 999), ("slowest", 1000)] {
            report.figure(format!("{what}_{name}"), Self::thousandth(&self.0, share).as_secs_f64() * 1000.0, "ms");
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
