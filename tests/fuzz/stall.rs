//! How long one input may take. To stall is a fault as a panic is, and is told by its number too.

use std::io::{Write, stderr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use std::{process, thread};

/// Far more than any input takes, also on a machine that is busy elsewhere.
const MOST: Duration = Duration::from_secs(2);
/// A machine that is busy elsewhere is slow once; a decoder that stalls does so each time.
const TRIES: usize = 3;
/// An input that takes so long does not end.
const ENDLESS: Duration = Duration::from_secs(20);

/// Whether something is too slow, however often it is tried.
pub fn is_stalled(try_it: impl Fn() -> Duration) -> bool {
    (0..TRIES).all(|_| try_it() > MOST)
}

pub fn time(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

/// Sees which input is tried, for nobody else can tell which one does not end.
pub struct Watch(AtomicU64);

impl Watch {
    pub fn tries(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }

    /// Until the other end of `over` is gone.
    fn look(&self, over: Receiver<()>) {
        let mut before = None;
        while over.recv_timeout(ENDLESS) == Err(RecvTimeoutError::Timeout) {
            let number = Some(self.0.load(Ordering::Relaxed));
            if number == before {
                // Past what a test's harness holds back: nothing is said after an abort.
                let _ = writeln!(stderr(), "does not end: CDP_FUZZ_SEED={}", self.0.load(Ordering::Relaxed));
                process::abort();
            }
            before = number;
        }
    }
}

pub fn watched(work: impl FnOnce(&Watch)) {
    let watch = Watch(AtomicU64::new(0));
    let (working, over) = channel();
    thread::scope(|scope| {
        let looking = &watch;
        scope.spawn(move || looking.look(over));
        // Dropped when the work ends, also by a panic.
        let _working = working;
        work(&watch);
    });
}
