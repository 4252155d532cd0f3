//! The contract of State, and what must be there after a restart, a kill, and a second process.

#![expect(clippy::expect_used, reason = "a test fails by a panic")]

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use adapter_fjall::{CantOpen, FjallState};
use bytes::Bytes;
use cdp_ports::{Condition, Item, Key, State, Transaction, Write};
use futures::executor::block_on;
use tempfile::TempDir;

const MEMORY_BYTES: u64 = 8 << 20;

fn open(dir: &TempDir) -> FjallState {
    FjallState::open(dir.path(), MEMORY_BYTES).expect("nobody else has the folder")
}

fn put(name: &str, condition: Condition, durable: bool) -> Transaction {
    let write = Write::Put { key: Key::new("partition", name), body: Bytes::from_static(b"body"), condition };
    Transaction { writes: vec![write], durable }
}

fn versions(state: &FjallState) -> Vec<(String, u64)> {
    let items = block_on(state.query("partition", "", None, usize::MAX)).expect("query");
    items.into_iter().map(|Item { key, version, .. }| (key.sort, version)).collect()
}

#[test]
fn keeps_the_contract_of_state() {
    let dir = TempDir::new().expect("a folder");
    let count = AtomicU32::new(0);
    // The small one holds next to nothing, so that the tree answers.
    for memory_bytes in [MEMORY_BYTES, 4 << 10] {
        let make = async || {
            let own = dir.path().join(count.fetch_add(1, Ordering::Relaxed).to_string());
            FjallState::open(own, memory_bytes).expect("a new folder")
        };
        block_on(cdp_ports::conformance::state::all(make));
    }
}

#[test]
fn items_and_versions_are_there_after_a_restart() {
    let dir = TempDir::new().expect("a folder");
    for version in 1..=3 {
        let state = open(&dir);
        block_on(state.commit(put("a", Condition::Any, version == 2))).expect("any condition holds");
        assert_eq!(versions(&state), [("a".to_owned(), version)]);
    }
}

#[test]
fn a_folder_in_use_is_told_apart_from_a_broken_one() {
    let dir = TempDir::new().expect("a folder");
    let _first = open(&dir);
    let second = FjallState::open(dir.path(), MEMORY_BYTES);
    assert!(matches!(second, Err(CantOpen::InUse(path)) if path == dir.path()));
}

#[test]
fn of_many_threads_at_one_version_one_wins_each() {
    const THREADS: u64 = 4;
    const WINS: u64 = 200;
    let dir = TempDir::new().expect("a folder");
    let state = open(&dir);
    let increment = |durable| {
        let mut wins = 0;
        while wins < WINS {
            let found = block_on(state.get(&[Key::new("partition", "a")])).expect("get").pop().flatten();
            let condition = found.map_or(Condition::Absent, |item| Condition::At(item.version));
            match block_on(state.commit(put("a", condition, durable && wins % 20 == 0))) {
                Ok(()) => wins += 1,
                Err(error) => assert!(error.is_stale(), "{error}"),
            }
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || increment(thread % 2 == 0));
        }
    });
    assert_eq!(versions(&state), [("a".to_owned(), THREADS * WINS)]);
}

#[test]
fn a_reader_sees_all_of_a_transaction_or_nothing() {
    let dir = TempDir::new().expect("a folder");
    let state = open(&dir);
    let keys: Vec<Key> = (0..50).map(|n| Key::new("partition", format!("{n:02}"))).collect();
    let write =
        |key: &Key| Write::Put { key: key.clone(), body: Bytes::from_static(b"body"), condition: Condition::Any };
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..300 {
                let writes = keys.iter().map(write).collect();
                block_on(state.commit(Transaction { writes, durable: false })).expect("any condition holds");
            }
        });
        while !writer.is_finished() {
            let found = block_on(state.get(&keys)).expect("get");
            let versions: Vec<_> = found.iter().map(|item| item.as_ref().map(|item| item.version)).collect();
            assert!(versions.iter().all(|version| *version == versions[0]), "{versions:?}");
        }
    });
}

/// Runs itself as a child, which commits until it is killed.
#[test]
fn what_was_answered_outlives_a_kill() {
    const CHILD: &str = "CHILD_OF_KILL_TEST";
    if let Ok(dir) = std::env::var(CHILD) {
        let state = FjallState::open(dir, MEMORY_BYTES).expect("nobody else has the folder");
        for n in 0.. {
            block_on(state.commit(put(&format!("{n:08}"), Condition::Absent, false))).expect("new");
            println!("committed {n}");
        }
    }
    let dir = TempDir::new().expect("a folder");
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "what_was_answered_outlives_a_kill", "--nocapture"])
        .env(CHILD, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test starts");
    let mut answers = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().expect("piped")));
    let is_far = |line: &std::io::Result<String>| line.as_ref().is_ok_and(|line| line == "committed 500");
    assert!(answers.any(|line| is_far(&line)), "the child came to an end by itself");
    child.kill().expect("the child runs");
    let answered = 501 + answers.map_while(Result::ok).filter(|line| line.starts_with("committed")).count();
    child.wait().expect("killed");

    let stored = versions(&open(&dir));
    assert!(stored.len() >= answered, "{answered} commits were answered, {} are there", stored.len());
    assert!((0..).zip(&stored).all(|(n, (name, version))| (format!("{n:08}"), 1) == (name.clone(), *version)));
}
