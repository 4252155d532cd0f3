//! The machine's clock and dice, for benches that need no deployment.

use std::time::{SystemTime, UNIX_EPOCH};

use cdp_event::Timestamp;
use cdp_ports::{Chance, Clock};

#[derive(Clone, Copy)]
pub struct BenchWorld;

impl Clock for BenchWorld {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_ms(since.as_millis() as i64)
    }
}

impl Chance for BenchWorld {
    fn draw(&self) -> u64 {
        rand::random()
    }
}
