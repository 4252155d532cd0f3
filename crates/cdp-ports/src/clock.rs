//! Time and chance are handed in: a replay gives the same outcome, and a test of a day takes a millisecond.

use cdp_event::Timestamp;

pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// Names that nobody else will choose.
pub trait Chance: Send + Sync {
    fn draw(&self) -> u64;
}
