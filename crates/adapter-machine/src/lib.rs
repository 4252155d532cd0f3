//! The machine's own clock and dice.

use std::time::{SystemTime, UNIX_EPOCH};

use cdp_event::Timestamp;
use cdp_ports::{Chance, Clock};

#[derive(Clone, Copy, Debug, Default)]
pub struct Machine;

impl Clock for Machine {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Chance for Machine {
    fn draw(&self) -> u64 {
        rand::random()
    }
}
