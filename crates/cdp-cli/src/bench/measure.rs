//! What this process has used so far, as Linux tells it.

use std::fs;
use std::time::Duration;

/// Ticks of `/proc/self/stat`: USER_HZ is 100 on every Linux that we run on.
const TICK: Duration = Duration::from_millis(10);

/// CPU time of all threads, user and system.
pub fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, in brackets, may hold blanks; fields are counted from behind it: utime is the 12th, stime the 13th.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u32>().ok()).unwrap_or_default();
    TICK * (ticks(11) + ticks(12))
}

/// The most memory that was ever resident, in bytes.
pub fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}
