//! What can go wrong at a port. Few kinds, each one a different next step for the caller.

use std::error::Error;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// What was asked for is not there.
    Missing,
    /// A condition did not hold. Nothing changed. Read again, decide again.
    Stale,
    /// Throttled, or a passing fault. It may have taken effect. Wait, then do the same again.
    Busy,
    /// The request itself can never succeed: too large, malformed.
    Refused,
    /// The backend is unusable: a full disk, a broken file, a missing permission. Stop, and tell the engineer.
    Broken,
}

#[derive(Debug, thiserror::Error)]
#[error("{action}: {kind:?}{}", source.as_ref().map(|s| format!(": {s}")).unwrap_or_default())]
pub struct PortError {
    pub kind: FaultKind,
    /// What was being done, to what: "commit 3 items to profile/prf_…".
    pub action: String,
    pub retry_after: Option<Duration>,
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

pub type PortResult<T> = Result<T, PortError>;

impl PortError {
    pub fn new(kind: FaultKind, action: impl Into<String>) -> Self {
        Self { kind, action: action.into(), retry_after: None, source: None }
    }

    pub fn because(
        kind: FaultKind,
        action: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { kind, action: action.into(), retry_after: None, source: Some(source.into()) }
    }

    pub fn is_stale(&self) -> bool {
        self.kind == FaultKind::Stale
    }

    /// For a caller who decides again by doing all of it again.
    #[must_use]
    pub fn busy_if_stale(self) -> Self {
        if self.is_stale() { Self { kind: FaultKind::Busy, ..self } } else { self }
    }
}
