//! How fast one source may send.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use cdp_ports::Clock;
use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

/// Events in a second, with a burst of one second's worth.
pub(crate) struct Rate {
    limit: NonZeroU32,
    clock: PortClock,
    limiter: RateLimiter<NotKeyed, InMemoryState, PortClock, NoOpMiddleware<Nanos>>,
}

impl Rate {
    pub fn new(limit: NonZeroU32, clock: Arc<dyn Clock>) -> Self {
        let clock = PortClock(clock);
        Self { limit, limiter: RateLimiter::direct_with_clock(Quota::per_second(limit), clock.clone()), clock }
    }

    /// Takes `events` out of the allowance, or tells how long to wait. A batch larger than the burst takes all of it: it
    /// could never pass otherwise.
    pub fn take(&self, events: usize) -> Result<(), Duration> {
        let Some(events) = u32::try_from(events).ok().or(Some(u32::MAX)).and_then(NonZeroU32::new) else {
            return Ok(());
        };
        match self.limiter.check_n(events.min(self.limit)) {
            Ok(Ok(())) | Err(_) => Ok(()),
            Ok(Err(not_until)) => Err(not_until.wait_time_from(self.clock.now())),
        }
    }
}

#[derive(Clone)]
struct PortClock(Arc<dyn Clock>);

impl governor::clock::Clock for PortClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let ms = u64::try_from(self.0.now().as_ms()).unwrap_or(0);
        Nanos::new(ms.saturating_mul(1_000_000))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use cdp_event::Timestamp;

    use super::*;

    #[derive(Default)]
    struct HandClock(AtomicI64);

    impl Clock for HandClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_ms(self.0.load(Ordering::Relaxed))
        }
    }

    #[test]
    fn what_is_over_the_rate_is_told_how_long_to_wait() {
        let clock = Arc::new(HandClock::default());
        let rate = Rate::new(NonZeroU32::new(100).expect("not zero"), clock.clone());
        assert_eq!(rate.take(100), Ok(()));
        assert_eq!(rate.take(50), Err(Duration::from_millis(500)));
        clock.0.store(500, Ordering::Relaxed);
        assert_eq!(rate.take(50), Ok(()));
        assert_eq!(rate.take(0), Ok(()));
        clock.0.store(60_000, Ordering::Relaxed);
        assert_eq!(rate.take(1_000_000), Ok(()), "a batch beyond the burst passes alone");
        assert!(rate.take(1).is_err());
    }
}
