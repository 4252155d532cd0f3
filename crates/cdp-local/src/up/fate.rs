//! What a fault means for a worker: decided here, in one place.

use std::time::Duration;

use cdp_app::{CommitError, IngestError};
use cdp_ports::FaultKind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It passes by itself, and what was begun is safe to repeat.
    TryAgain,
    /// It would come back for ever: an engineer has to look.
    StopProcess,
}

impl Fate {
    pub fn of(error: &IngestError) -> Self {
        match error {
            IngestError::Port(error) => Self::of_kind(error.kind),
            IngestError::Fenced(_) => Self::TryAgain,
            IngestError::Closed(_) | IngestError::Stored(_) | IngestError::Rows(_) => Self::StopProcess,
        }
    }

    pub fn of_commit(error: &CommitError) -> Self {
        match error {
            CommitError::Port(error) => Self::of_kind(error.kind),
            CommitError::Stored(_) => Self::StopProcess,
        }
    }

    pub fn of_kind(kind: FaultKind) -> Self {
        match kind {
            FaultKind::Busy | FaultKind::Stale => Self::TryAgain,
            FaultKind::Missing | FaultKind::Refused | FaultKind::Broken => Self::StopProcess,
        }
    }
}

/// Waits that double from 50 ms to 5 s.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    pub fn next(&mut self) -> Duration {
        let wait = Duration::from_millis(50 << self.failures.min(7));
        self.failures += 1;
        wait.min(Duration::from_secs(5))
    }

    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_begin_again() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..10).map(|_| backoff.next().as_millis() as u64).collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
        backoff.reset();
        assert_eq!(backoff.next(), Duration::from_millis(50));
    }
}
