//! Ports in memory: the reference that every other adapter is compared with, and what tests and the simulation stand on.
//!
//! Each adapter is a few std collections behind one mutex. What they keep ends with the process.

mod lake;
mod state;
mod stream;

pub use lake::MemoryLake;
pub use state::MemoryState;
pub use stream::MemoryStream;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A panic elsewhere does not make the data unusable: each change is made whole, after all that can fail.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
