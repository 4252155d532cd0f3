//! How the threads of one process tell each other to wake, and to stop.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// Wakes whoever waits for work. Rings that nobody hears are remembered, once.
#[derive(Debug, Default)]
pub struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    pub fn ring(&self) {
        *locked(&self.rung) = true;
        self.changed.notify_one();
    }

    /// Until it rings, but not longer than `timeout`.
    pub fn wait(&self, timeout: Duration) {
        let rung = locked(&self.rung);
        let (mut rung, _) =
            self.changed.wait_timeout_while(rung, timeout, |rung| !*rung).unwrap_or_else(PoisonError::into_inner);
        *rung = false;
    }
}

/// Asked for once, by a signal or by a thread that can't go on; seen by all.
#[derive(Debug, Default)]
pub struct Stop {
    asked: Mutex<bool>,
    changed: Condvar,
    async_changed: Notify,
}

impl Stop {
    pub fn ask(&self) {
        *locked(&self.asked) = true;
        self.changed.notify_all();
        self.async_changed.notify_waiters();
    }

    pub fn is_asked(&self) -> bool {
        *locked(&self.asked)
    }

    /// Sleeps, but wakes at once when the stop is asked for. Answers whether it was.
    pub fn sleep(&self, time: Duration) -> bool {
        let asked = locked(&self.asked);
        let (asked, _) =
            self.changed.wait_timeout_while(asked, time, |asked| !*asked).unwrap_or_else(PoisonError::into_inner);
        *asked
    }

    pub async fn asked(&self) {
        let notified = self.async_changed.notified();
        let mut notified = std::pin::pin!(notified);
        // Registered before the look, so that a stop in between is not missed.
        notified.as_mut().enable();
        if !self.is_asked() {
            notified.await;
        }
    }
}

/// A thread that panicked while it held the lock left a plain bool: there is nothing half done in it.
fn locked(flag: &Mutex<bool>) -> MutexGuard<'_, bool> {
    flag.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn a_ring_that_nobody_heard_ends_the_next_wait() {
        let bell = Bell::default();
        bell.ring();
        let started = Instant::now();
        bell.wait(LONG);
        assert!(started.elapsed() < LONG);
        bell.wait(Duration::from_millis(1));
    }

    #[test]
    fn a_stop_wakes_sleepers_and_stays() {
        let stop = Stop::default();
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| stop.sleep(LONG));
            stop.ask();
            assert!(sleeper.join().expect("no panic"));
        });
        assert!(stop.sleep(LONG), "a later sleep ends at once");
        futures::executor::block_on(stop.asked());
    }
}
