//! What a write and a read cost, in wall time and in CPU of all threads, so that settings are chosen by measurement:
//! `cargo run --release -p adapter-fjall --example state_throughput [MILLIONS]`

#![expect(clippy::print_stdout, reason = "an example prints what it found")]

use std::error::Error;
use std::time::{Duration, Instant};

use adapter_fjall::FjallState;
use bytes::Bytes;
use cdp_ports::{Condition, Key, PortResult, State, Transaction, Write};
use futures::executor::block_on;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MEMORY_BYTES: u64 = 256 << 20;
const PROFILES: u64 = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    let millions: f64 = std::env::args().nth(1).map_or(Ok(1.0), |text| text.parse())?;
    let count = (millions * 1e6) as u64;
    let dir = tempfile::tempdir()?;
    let state = FjallState::open(dir.path(), MEMORY_BYTES)?;
    println!("{:44} {:>10} {:>18} {:>9}", "", "items/s", "CPU-s per million", "peak MB");

    let profile = |n: u64| Key::new(format!("profile/prf_{:026}", scatter(n) % PROFILES), "profile");
    let claim = |n: u64| Key::new(format!("id/user_id/user-{:016x}", scatter(n)), "claim");
    let kilobyte = body(1000);
    let small = body(30);
    measure("put 1 KB over 100k keys, one a transaction", count, |n| put(&state, vec![profile(n)], &kilobyte))?;
    measure("the same, 50 a transaction", count / 50, |n| {
        let mut keys: Vec<Key> = (0..50).map(|i| profile(n * 50 + i)).collect();
        keys.sort();
        keys.dedup();
        put(&state, keys, &kilobyte)
    })?;
    measure("insert 80 bytes, 50 a transaction", count / 50, |n| {
        let writes = (0..50).map(|i| insert(claim(n * 50 + i), &small)).collect();
        block_on(state.commit(Transaction { writes, durable: false }))
    })?;
    measure("get a hit of 1 KB", count, |n| block_on(state.get(&[profile(n * 7)])).map(drop))?;
    measure("get a hit of 80 bytes", count, |n| block_on(state.get(&[claim(n * 7 % count)])).map(drop))?;
    measure("get a miss", count, |n| block_on(state.get(&[claim(count + n)])).map(drop))?;
    measure("put 1 KB, durable", 500, |n| {
        let write = Write::Put { key: profile(n), body: kilobyte.clone(), condition: Condition::Any };
        block_on(state.commit(Transaction { writes: vec![write], durable: true }))
    })?;
    drop(state);
    let started = Instant::now();
    FjallState::open(dir.path(), MEMORY_BYTES)?;
    println!("opened again in {:?}, {} MB on disk", started.elapsed(), disk_bytes(dir.path())? >> 20);
    Ok(())
}

fn put(state: &FjallState, keys: Vec<Key>, body: &Bytes) -> PortResult<()> {
    let put = |key| Write::Put { key, body: body.clone(), condition: Condition::Any };
    block_on(state.commit(Transaction { writes: keys.into_iter().map(put).collect(), durable: false }))
}

fn insert(key: Key, body: &Bytes) -> Write {
    Write::Put { key, body: body.clone(), condition: Condition::Absent }
}

fn measure(what: &str, times: u64, mut run: impl FnMut(u64) -> PortResult<()>) -> PortResult<()> {
    let (started, cpu) = (Instant::now(), cpu_time());
    for n in 0..times {
        run(n)?;
    }
    let (took, cpu) = (started.elapsed(), cpu_time() - cpu);
    let (rate, cost) = (times as f64 / took.as_secs_f64(), cpu.as_secs_f64() / times as f64 * 1e6);
    println!("{what:44} {rate:>10.0} {cost:>18.2} {:>9}", peak_kilobytes() >> 10);
    Ok(())
}

/// Text of the kind that profiles are made of: neither random nor all alike.
fn body(bytes: u64) -> Bytes {
    (0..bytes).map(|n| b"abcdefghij0123456789{}:,\"\" "[(scatter(n / 3) % 27) as usize]).collect()
}

/// The n-th of a sequence without a visible order (the finalizer of SplitMix64).
fn scatter(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// User and system time of all threads, from Linux's accounts in ticks of 10 ms.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn peak_kilobytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

fn disk_bytes(dir: &std::path::Path) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { disk_bytes(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
}
