//! Commits, compactions and sweeps beside each other: no row is lost, and none is there twice.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod bench;
#[path = "bench/bucket.rs"]
mod bucket;

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use adapter_delta::DeltaLake;
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use cdp_event::Timestamp;
use cdp_ports::{DataFile, Lake, Landing, PortResult, TableName};
use futures::executor::block_on;
use serde_json::Value;

use bench::{Bench, DATE, read, sample, texts};

const TABLE: TableName = TableName::Events;
const PLANS: u64 = 120;
const ROWS: usize = 3;

fn id(plan: u64, row: usize) -> String {
    format!("plan-{plan:03}-row-{row}")
}

/// Rows that no other plan has.
fn rows(plan: u64) -> RecordBatch {
    let rows = sample(TABLE, ROWS);
    let ids: ArrayRef = std::sync::Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| id(plan, row))));
    let at = rows.schema().index_of("message_id").expect("a column");
    let columns = rows.columns().iter().enumerate().map(|(n, column)| if n == at { &ids } else { column }.clone());
    RecordBatch::try_new(rows.schema(), columns.collect()).expect("columns of one length")
}

fn put(lake: &DeltaLake, plan: u64) -> PortResult<DataFile> {
    block_on(lake.put(TABLE, DATE, &format!("plan-{plan}"), &mut std::iter::once(Ok(rows(plan)))))
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp::from_ms(since.as_millis() as i64)
}

/// As long as it is only another writer that came first.
fn until_settled<T>(call: impl Fn() -> PortResult<T>) -> T {
    loop {
        match call() {
            Err(error) if error.is_stale() => {}
            outcome => return outcome.expect("nothing but a race"),
        }
    }
}

fn keep(lake: &DeltaLake, before: Timestamp, is_over: &AtomicBool) -> u64 {
    let mut replaced = 0;
    while !is_over.load(Ordering::Acquire) {
        replaced += until_settled(|| block_on(lake.compact(TABLE, 1 << 20))).map_or(0, |done| done.files_removed);
        block_on(lake.sweep(TABLE, &[], before)).expect("sweep");
    }
    replaced
}

/// One thread commits through `committing` while others keep the table in shape through `keepers`.
fn race(committing: &DeltaLake, keepers: &[&DeltaLake]) -> u64 {
    let is_over = AtomicBool::new(false);
    // What is to be swept is older than anything that is being written, as in a deployment. A file's time is that of the
    // kernel's last tick.
    let before = now().plus_ms(-1000);
    std::thread::scope(|scope| {
        let keepers: Vec<_> = keepers.iter().map(|lake| scope.spawn(|| keep(lake, before, &is_over))).collect();
        let outcome: PortResult<()> = (1..=PLANS).try_for_each(|plan| {
            let file = [put(committing, plan)?];
            block_on(committing.commit(TABLE, plan, &file))
        });
        is_over.store(true, Ordering::Release);
        outcome.expect("a commit is never stale because of a compaction");
        keepers.into_iter().map(|keeper| keeper.join().expect("no panic")).sum()
    })
}

/// `again`: the lake as another process finds it. `commits`: its log.
fn check<P>(bench: &Bench<P>, again: &DeltaLake, commits: &BTreeMap<u64, String>) {
    let mut expected: Vec<String> = (1..=PLANS).flat_map(|plan| (0..ROWS).map(move |row| id(plan, row))).collect();
    expected.sort();
    for lake in [&bench.lake, again] {
        assert_eq!(texts(&read(lake, TABLE), "message_id"), expected);
        assert_eq!(block_on(lake.last_plan(TABLE)).expect("a readable log"), Some(PLANS));
    }
    check_log(&bench.lake, commits);
}

/// Reads the commits by hand: none is missing, each file is added once, and removed once at most.
fn check_log(lake: &DeltaLake, commits: &BTreeMap<u64, String>) {
    let newest = lake.newest(TABLE).expect("a readable log");
    assert!(commits.keys().copied().eq(0..=newest.version), "{:?}", commits.keys());

    let (mut added, mut active, mut plans) = (HashSet::new(), HashSet::new(), Vec::new());
    for action in commits.values().flat_map(|commit| commit.lines()) {
        let action: Value = serde_json::from_str(action).expect("JSON");
        let path = |kind: &str| action[kind]["path"].as_str().map(str::to_owned);
        if let Some(path) = path("add") {
            assert!(added.insert(path.clone()) && active.insert(path), "added twice: {action}");
        }
        if let Some(path) = path("remove") {
            assert!(active.remove(&path), "removed and not there: {action}");
        }
        plans.extend(action["txn"]["version"].as_u64());
    }
    assert!(plans.iter().copied().eq(1..=PLANS), "{plans:?}");
    assert_eq!(newest.files.iter().map(|file| file.path.clone()).collect::<HashSet<_>>(), active);
}

#[test]
fn commits_and_compactions_of_one_process() {
    let bench = Bench::new();
    let replaced = race(&bench.lake, &[&bench.lake]);
    assert!(replaced > PLANS / 2, "only {replaced} files were compacted meanwhile");
    check(&bench, &bench.open_again(), &bench.commits(TABLE));
}

#[test]
fn commits_and_compactions_of_several_processes() {
    let bench = Bench::new();
    let (second, third) = (bench.open_again(), bench.open_again());
    let replaced = race(&bench.lake, &[&second, &third]);
    assert!(replaced > PLANS / 2, "only {replaced} files were compacted meanwhile");
    check(&bench, &bench.open_again(), &bench.commits(TABLE));
}

#[test]
fn commits_and_compactions_of_several_processes_in_a_bucket() {
    let bench = Bench::in_memory();
    let (second, third) = (bench.open_again(), bench.open_again());
    let replaced = race(&bench.lake, &[&second, &third]);
    assert!(replaced > PLANS / 2, "only {replaced} files were compacted meanwhile");
    check(&bench, &bench.open_again(), &bench.commits(TABLE));
}
