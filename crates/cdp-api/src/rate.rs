//! How fast one source may send, and one token ask.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use cdp_ports::Clock;
use governor::clock::Clock as _;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

pub(crate) const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
pub(crate) const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
pub(crate) const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Events or requests in a second, with a burst of one second's worth.
pub(crate) struct Rate {
    limit: NonZeroU32,
    clock: PortClock,
    limiter: RateLimiter<NotKeyed, InMemoryState, PortClock, StateInformationMiddleware>,
}

impl Rate {
    pub fn new(limit: NonZeroU32, clock: Arc<dyn Clock>) -> Self {
        let clock = PortClock(clock);
        let limiter = RateLimiter::direct_with_clock(Quota::per_second(limit), clock.clone());
        Self { limit, clock, limiter: limiter.with_middleware() }
    }

    pub fn limit(&self) -> NonZeroU32 {
        self.limit
    }

    /// Takes one out of the allowance and tells what is left of it, or how long to wait.
    pub fn take_one(&self) -> Result<u32, Duration> {
        match self.limiter.check() {
            Ok(state) => Ok(state.remaining_burst_capacity()),
            Err(not_until) => Err(not_until.wait_time_from(self.clock.now())),
        }
    }

    /// Takes `events` out of the allowance, or tells how long to wait. A batch larger than the burst takes all of it: it
    /// could never pass otherwise.
    pub fn take(&self, events: usize) -> Result<(), Duration> {
        let Some(events) = u32::try_from(events).ok().or(Some(u32::MAX)).and_then(NonZeroU32::new) else {
            return Ok(());
        };
        match self.limiter.check_n(events.min(self.limit)) {
            Ok(Ok(_)) | Err(_) => Ok(()),
            Ok(Err(not_until)) => Err(not_until.wait_time_from(self.clock.now())),
        }
    }
}

/// Says in each of the ways that clients heed when to come back.
pub(crate) fn put_wait(headers: &mut HeaderMap, wait: Duration) {
    let wait = HeaderValue::from(whole_seconds(wait));
    headers.insert(header::RETRY_AFTER, wait.clone());
    headers.insert(RESET, wait);
}

/// Rounded up, at least one: what the headers can say.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
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

    #[test]
    fn what_is_left_is_told() {
        let clock = Arc::new(HandClock::default());
        let rate = Rate::new(NonZeroU32::new(2).expect("not zero"), clock.clone());
        assert_eq!([rate.take_one(), rate.take_one()], [Ok(1), Ok(0)]);
        assert_eq!(rate.take_one(), Err(Duration::from_millis(500)));
        clock.0.store(500, Ordering::Relaxed);
        assert_eq!(rate.take_one(), Ok(0));
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds() {
        let told = [0, 1, 1000, 1001].map(|ms| whole_seconds(Duration::from_millis(ms)));
        assert_eq!(told, [1, 1, 1, 2]);
    }
}
