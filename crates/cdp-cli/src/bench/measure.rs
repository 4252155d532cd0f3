//! What a process, a thread or a folder has used so far. CPU and memory as Linux tells them; nothing on other systems.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Ticks of `/proc/PID/stat`: USER_HZ is 100 on every Linux that we run on.
const TICK: Duration = Duration::from_millis(10);

/// What a process uses from now on.
#[derive(Debug)]
pub struct Usage {
    proc: PathBuf,
    cpu_before: Option<Duration>,
}

impl Usage {
    pub fn of_this_process() -> Self {
        Self::at("/proc/self".into())
    }

    pub fn of_process(pid: u32) -> Self {
        Self::at(format!("/proc/{pid}").into())
    }

    fn at(proc: PathBuf) -> Self {
        let cpu_before = cpu_time(&proc);
        Self { proc, cpu_before }
    }

    /// CPU time of all threads, user and system.
    pub fn cpu(&self) -> Option<Duration> {
        Some(cpu_time(&self.proc)?.saturating_sub(self.cpu_before?))
    }

    /// The most memory that was ever resident, in bytes; also before.
    pub fn peak_memory(&self) -> Option<u64> {
        let status = fs::read_to_string(self.proc.join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
    }
}

fn cpu_time(proc: &Path) -> Option<Duration> {
    let stat = fs::read_to_string(proc.join("stat")).ok()?;
    // The name, in brackets, may hold blanks; fields are counted from behind it: utime is the 12th, stime the 13th.
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u32>().ok();
    Some(TICK * (ticks(11)? + ticks(12)?))
}

/// CPU time of the calling thread.
pub fn thread_cpu_time() -> Option<Duration> {
    let schedstat = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(schedstat.split_whitespace().next()?.parse().ok()?))
}

/// What the files in a folder come to, in bytes.
pub fn folder_bytes(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { folder_bytes(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}
