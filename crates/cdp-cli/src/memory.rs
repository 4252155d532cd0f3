//! The process's allocator, for Rust and for the C that compresses.

use libmimalloc_sys::{mi_option_set, mi_option_t};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc.h: after how many milliseconds pages that are free go back to the system.
const PURGE_DELAY: mi_option_t = 15;

/// For a process that takes in batch after batch: each frees what the next one needs again at once, and a page that went
/// back in between is cleared anew, which costs more than what it holds. A command that is over soon does with less.
#[expect(unsafe_code, reason = "mimalloc's options can be set by its C function only")]
pub fn keep_between_batches() {
    const REST_MS: i64 = 10_000;
    // SAFETY: it stores a number, whenever it is called.
    unsafe { mi_option_set(PURGE_DELAY, REST_MS) };
}
