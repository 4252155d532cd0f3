//! The handler on memory: what a message does to tables, reports and the queue.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use adapter_memory::{MemoryLake, MemoryState};
use bytes::Bytes;
use cdp_app::Committer;
use cdp_drops::{Content, Stamp};
use cdp_event::Timestamp;
use cdp_identity::Rules;
use cdp_ports::{Item, Key, PortResult, TableName, Transaction};
use futures::FutureExt;
use futures::executor::block_on;
use futures::future::pending;
use lambda_runtime::Context;

use super::*;
use crate::woken::Attributes;

const ROWS: usize = 95;
const TRIES: u32 = 5;

#[derive(Default)]
struct World(AtomicU64);

impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(1_800_000_000_000)
    }
}

impl Chance for World {
    fn draw(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// Memory, whose commits fail from some call on, until it is mended; or never end.
struct Failing {
    memory: MemoryState,
    commits_left: AtomicI64,
    hangs: AtomicBool,
}

impl State for Failing {
    async fn get(&self, keys: &[Key]) -> PortResult<Vec<Option<Item>>> {
        self.memory.get(keys).await
    }

    async fn query(&self, partition: &str, prefix: &str, after: Option<&str>, limit: usize) -> PortResult<Vec<Item>> {
        self.memory.query(partition, prefix, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> PortResult<()> {
        if self.hangs.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
        if self.commits_left.fetch_sub(1, Ordering::Relaxed) <= 0 {
            return Err(PortError::new(FaultKind::Busy, "commit"));
        }
        self.memory.commit(transaction).await
    }
}

#[derive(Default)]
struct MemoryBox {
    files: Mutex<Vec<(Address, Bytes)>>,
    reports: Arc<Mutex<BTreeMap<String, FileReport>>>,
    /// How often a file was read from its beginning.
    passes: Arc<AtomicUsize>,
    /// Nothing can be opened.
    is_locked: AtomicBool,
}

struct MemoryFile {
    address: Address,
    content: Arc<Counted>,
    stamp: Stamp,
    reports: Arc<Mutex<BTreeMap<String, FileReport>>>,
}

struct Counted {
    bytes: Bytes,
    passes: Arc<AtomicUsize>,
}

impl Content for Counted {
    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn in_order(self: Arc<Self>) -> Box<dyn std::io::Read + Send> {
        self.passes.fetch_add(1, Ordering::Relaxed);
        Arc::new(self.bytes.clone()).in_order()
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> std::io::Result<usize> {
        self.bytes.read_at(offset, into)
    }
}

impl DropBox for MemoryBox {
    type File = MemoryFile;

    async fn open(&self, address: &Address) -> PortResult<MemoryFile> {
        if self.is_locked.load(Ordering::Relaxed) {
            return Err(PortError::because(FaultKind::Broken, "look", "AccessDenied: role/cdp may not"));
        }
        let files = self.files.lock().expect("no test panics here");
        let (at, (_, bytes)) = files
            .iter()
            .enumerate()
            .find(|(_, (known, _))| known == address)
            .ok_or_else(|| PortError::new(FaultKind::Missing, "open"))?;
        Ok(MemoryFile {
            address: address.clone(),
            content: Arc::new(Counted { bytes: bytes.clone(), passes: self.passes.clone() }),
            stamp: Stamp { bytes: bytes.len() as u64, modified_ns: at as i64, mark: address.mark("\"\"") },
            reports: self.reports.clone(),
        })
    }

    async fn report(&self, address: &Address) -> PortResult<Option<FileReport>> {
        Ok(self.reports.lock().expect("no test panics here").get(&address.report_key()).cloned())
    }

    async fn put_report(&self, address: &Address, report: &FileReport) -> PortResult<()> {
        self.reports.lock().expect("no test panics here").insert(address.report_key(), report.clone());
        Ok(())
    }
}

impl Dropped for MemoryFile {
    fn place(&self) -> String {
        self.address.to_string()
    }

    fn name(&self) -> &str {
        self.address.name()
    }

    fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    fn content(&self) -> Arc<dyn Content> {
        self.content.clone()
    }

    fn lasting_name(&self) -> Option<String> {
        Some(self.address.to_string())
    }

    fn has_changed(&self) -> std::io::Result<bool> {
        Ok(false)
    }

    async fn report(&self) -> std::io::Result<Option<FileReport>> {
        Ok(self.reports.lock().expect("no test panics here").get(&self.address.report_key()).cloned())
    }

    async fn put_report(&self, report: &FileReport) -> std::io::Result<()> {
        self.reports.lock().expect("no test panics here").insert(self.address.report_key(), report.clone());
        Ok(())
    }
}

#[derive(Default)]
struct MemoryQueue(Mutex<Vec<String>>);

impl Queue for MemoryQueue {
    async fn send(&self, message: &str) -> PortResult<()> {
        self.0.lock().expect("no test panics here").push(message.to_owned());
        Ok(())
    }
}

type Bench = Handler<Failing, MemoryLake, World, MemoryBox, MemoryQueue>;

fn bench() -> Bench {
    let state = Failing {
        memory: MemoryState::default(),
        commits_left: AtomicI64::new(i64::MAX),
        hangs: AtomicBool::new(false),
    };
    let (lake, clock, rules) = (MemoryLake::default(), World::default(), Rules::default());
    Handler {
        ingest: Ingest { state, lake, clock, rules },
        limits: BatchLimits { rows: 10, bytes: 1 << 20 },
        sources: BTreeMap::from([("partner".to_owned(), DropSettings::default())]),
        drops: MemoryBox::default(),
        queue: MemoryQueue::default(),
        tries: TRIES,
    }
}

fn lines() -> String {
    let line = |n| format!("{{\"type\":\"track\",\"event\":\"E\",\"userId\":\"u{n}\",\"messageId\":\"{n}\"}}\n");
    (0..ROWS).map(line).collect()
}

/// The notification of an object that was put.
fn put(bench: &Bench, key: &str, version: &str, content: &str) -> String {
    let address = Address { bucket: "drops".to_owned(), key: key.to_owned(), version: Some(version.to_owned()) };
    bench.drops.files.lock().expect("no test panics here").push((address, Bytes::copy_from_slice(content.as_bytes())));
    notification(key, version)
}

fn notification(key: &str, version: &str) -> String {
    format!(
        r#"{{"Records":[{{"eventName":"ObjectCreated:Put","s3":{{"bucket":{{"name":"drops"}},"object":{{"key":"{key}","versionId":"{version}"}}}}}}]}}"#
    )
}

fn woken(body: &str) -> Woken {
    woken_again(body, 1)
}

/// For the `tries`th time.
fn woken_again(body: &str, tries: u32) -> Woken {
    let attributes = Attributes { received: Some(tries.to_string()) };
    Woken { messages: vec![Message { body: body.to_owned(), attributes }] }
}

fn in_time() -> Deadline {
    let mut context = Context::default();
    context.deadline = u64::from(u32::MAX) * 1000;
    Deadline::of(&context)
}

/// Each invocation stops after its first batch.
fn at_once() -> Deadline {
    Deadline::of(&Context::default())
}

fn report(bench: &Bench, key: &str) -> Option<(&'static str, u64, Option<String>)> {
    let reports = bench.drops.reports.lock().expect("no test panics here");
    reports.get(key).map(|report| (report.status.as_str(), report.taken, report.detail.clone()))
}

fn events(bench: &Bench) -> usize {
    let (state, lake) = (&bench.ingest.state, &bench.ingest.lake);
    block_on(Committer { state, lake, table: TableName::Events }.drain()).expect("memory");
    lake.rows(TableName::Events).iter().map(|batch| batch.num_rows()).sum()
}

/// Hands the handler its own messages until there is none; answers how many there were.
fn go_on(bench: &Bench, deadline: Deadline) -> usize {
    let mut messages = 0;
    while let Some(body) = { bench.queue.0.lock().expect("no test panics here").pop() } {
        messages += 1;
        block_on(bench.handle(&woken(&body), deadline)).expect("nothing fails");
    }
    messages
}

#[test]
fn a_file_of_a_source_is_taken_in_once_however_often_it_is_told() {
    let bench = bench();
    let body = put(&bench, "partner/2026/a.jsonl", "1", &lines());
    for _ in 0..2 {
        block_on(bench.handle(&woken(&body), in_time())).expect("nothing fails");
        assert_eq!(report(&bench, "partner/2026/.reports/a.jsonl.json"), Some(("done", ROWS as u64, None)));
        assert_eq!(events(&bench), ROWS);
        assert_eq!(bench.drops.passes.load(Ordering::Relaxed), 2, "once for its name, once for its rows");
    }
    assert_eq!(go_on(&bench, in_time()), 0);
}

#[test]
fn the_same_content_again_changes_nothing_and_a_new_version_brings_what_is_new() {
    let bench = bench();
    let more = lines() + "{\"type\":\"track\",\"event\":\"E\",\"userId\":\"new\",\"messageId\":\"new\"}\n";
    for (key, version, content, status, all) in [
        ("partner/a.jsonl", "1", lines(), "done", ROWS),
        ("partner/a.jsonl", "2", lines(), "done", ROWS),
        ("partner/b.jsonl", "3", lines(), "already_taken", ROWS),
        ("partner/a.jsonl", "4", more, "done", ROWS + 1),
    ] {
        let body = put(&bench, key, version, &content);
        block_on(bench.handle(&woken(&body), in_time())).expect("nothing fails");
        let name = key.strip_prefix("partner/").expect("the source");
        let told = report(&bench, &format!("partner/.reports/{name}.json")).expect("a report");
        assert_eq!((told.0, events(&bench)), (status, all), "{key} version {version}");
    }
}

#[test]
fn without_time_a_file_is_taken_in_batch_by_batch() {
    let bench = bench();
    let body = put(&bench, "partner/a.jsonl", "1", &lines());
    block_on(bench.handle(&woken(&body), at_once())).expect("nothing fails");
    assert_eq!(bench.queue.0.lock().expect("no test panics here").as_slice(), [body]);
    assert_eq!(report(&bench, "partner/.reports/a.jsonl.json"), Some(("running", 10, None)));
    // The tenth batch is the last one, and there is no need to come back for it.
    assert_eq!(go_on(&bench, at_once()), ROWS.div_ceil(10) - 1);
    assert_eq!(report(&bench, "partner/.reports/a.jsonl.json"), Some(("done", ROWS as u64, None)));
    assert_eq!(events(&bench), ROWS);
    assert_eq!(
        bench.drops.passes.load(Ordering::Relaxed),
        1 + ROWS.div_ceil(10),
        "its name is known from the first time"
    );
}

#[test]
fn two_names_of_one_content_in_turns_are_one_file() {
    let bench = bench();
    let bodies = ["partner/a.jsonl", "partner/b.jsonl"].map(|key| put(&bench, key, "1", &lines()));
    while events(&bench) < ROWS {
        for body in &bodies {
            block_on(bench.handle(&woken(body), at_once())).expect("nothing fails");
        }
    }
    go_on(&bench, in_time());
    assert_eq!(events(&bench), ROWS);
    let statuses =
        ["a", "b"].map(|name| report(&bench, &format!("partner/.reports/{name}.jsonl.json")).expect("there").0);
    assert!(statuses.contains(&"done") && statuses.contains(&"already_taken"), "{statuses:?}");
}

#[test]
fn a_fault_leaves_the_message_and_the_file_is_gone_on_with() {
    let mut struck = 0;
    for commits in 0.. {
        let bench = bench();
        let body = put(&bench, "partner/a.jsonl", "1", &lines());
        bench.ingest.state.commits_left.store(commits, Ordering::Relaxed);
        let outcome = block_on(bench.handle(&woken(&body), in_time()));
        bench.ingest.state.commits_left.store(i64::MAX, Ordering::Relaxed);
        block_on(bench.handle(&woken(&body), in_time())).expect("it is mended");
        assert_eq!(events(&bench), ROWS, "after {commits} commits");
        if outcome.is_ok() {
            break;
        }
        struck += 1;
    }
    assert!(struck > 20, "{struck} faults");
}

#[test]
fn what_is_no_file_of_a_source_is_told_or_passed_over() {
    let unknown = "there is no drop source \"partnr\" in cdp.toml; there is partner";
    for (key, report_key, expected) in [
        ("partnr/a.jsonl", "partnr/.reports/a.jsonl.json", Some(unknown)),
        ("a.jsonl", ".reports/a.jsonl.json", Some("it lies in no drop source's folder; cdp.toml has partner")),
        ("partner/a.jsonl.part", "partner/.reports/a.jsonl.part.json", None),
        ("partner/.hidden", "partner/.reports/.hidden.json", None),
        ("partner/.reports/a.jsonl.json", "partner/.reports/.reports/a.jsonl.json.json", None),
        (".reports/a.jsonl.json", ".reports/.reports/a.jsonl.json.json", None),
        ("partner/folder/", "partner/folder/.reports/.json", None),
    ] {
        let bench = bench();
        let body = put(&bench, key, "1", &lines());
        block_on(bench.handle(&woken(&body), in_time())).expect("nothing fails");
        let told = report(&bench, report_key);
        assert_eq!(told, expected.map(|detail| ("refused", 0, Some(detail.to_owned()))), "{key}");
        assert_eq!((events(&bench), bench.drops.passes.load(Ordering::Relaxed)), (0, 0), "{key}");
    }
}

#[test]
fn an_object_that_is_gone_is_over_and_a_foreign_message_is_not() {
    let bench = bench();
    block_on(bench.handle(&woken(&notification("partner/a.csv", "1")), in_time())).expect("there is nothing to do");
    let error = block_on(bench.handle(&woken("hello"), in_time())).expect_err("a foreign message");
    assert!(error.to_string().contains("look who sends"), "{error}");
}

const REPORT: &str = "partner/.reports/a.jsonl.json";

/// The status of the report on `partner/a.jsonl`, how many rows it has taken, and whether its detail has each part.
fn check_report(bench: &Bench, status: &str, taken: u64, parts: &[&str]) {
    let (told, rows, detail) = report(bench, REPORT).expect("a report");
    let detail = detail.unwrap_or_default();
    assert_eq!((told, rows), (status, taken), "{detail}");
    assert!(parts.iter().all(|part| detail.contains(part)) && detail.is_empty() == parts.is_empty(), "{detail}");
}

#[test]
fn a_file_that_is_given_up_says_so_and_how_far_it_came_until_it_is_sent_on_again() {
    let bench = bench();
    let body = put(&bench, "partner/a.jsonl", "1", &lines());
    bench.ingest.state.commits_left.store(30, Ordering::Relaxed);
    for tries in 1..TRIES {
        block_on(bench.handle(&woken_again(&body, tries), in_time())).expect_err("State is gone");
        assert_eq!(report(&bench, REPORT).map(|told| told.0), Some("running"), "try {tries}");
    }
    block_on(bench.handle(&woken_again(&body, TRIES), in_time())).expect_err("so the letter is a dead one");
    let taken = report(&bench, REPORT).expect("a report").1;
    assert!((1..ROWS as u64).contains(&taken), "{taken}");
    check_report(&bench, "given_up", taken, &["given up after 5 tries: the platform could not keep its rows", "stays"]);

    bench.ingest.state.commits_left.store(i64::MAX, Ordering::Relaxed);
    block_on(bench.handle(&woken(&body), in_time())).expect("it is mended");
    check_report(&bench, "done", ROWS as u64, &[]);
    assert_eq!(events(&bench), ROWS);
}

#[test]
fn a_file_that_can_not_be_opened_has_a_report_too_which_names_nothing_of_what_is_behind() {
    let bench = bench();
    let body = put(&bench, "partner/a.jsonl", "1", &lines());
    bench.drops.is_locked.store(true, Ordering::Relaxed);
    block_on(bench.handle(&woken_again(&body, TRIES - 1), in_time())).expect_err("it can't be opened");
    assert_eq!(report(&bench, REPORT), None);
    block_on(bench.handle(&woken_again(&body, TRIES), in_time())).expect_err("it can't be opened");
    check_report(&bench, "given_up", 0, &["encrypted by a key that the platform may not use"]);
    let told = bench.drops.reports.lock().expect("no test panics here")[REPORT].clone();
    assert_eq!((&*told.file, &*told.source, told.finished.is_some()), ("a.jsonl", "partner", true));
    assert!(!told.to_json().expect("JSON").contains("role/"), "{told:?}");
}

#[test]
fn a_last_try_that_is_killed_has_told_what_that_means() {
    let bench = bench();
    let body = put(&bench, "partner/a.jsonl", "1", &lines());
    bench.ingest.state.hangs.store(true, Ordering::Relaxed);
    assert!(bench.handle(&woken_again(&body, TRIES), at_once()).now_or_never().is_none());
    let last = "this is the last of 5 tries. If this stands here after 2027-01-15T08:00:00.000Z, the file is given up";
    check_report(&bench, "running", 0, &[last]);
}

#[test]
fn a_last_try_leaves_no_report_on_what_is_passed_over_or_gone() {
    let bench = bench();
    let passed_over = put(&bench, REPORT, "1", "{}");
    for body in [passed_over, notification("partner/a.jsonl", "1")] {
        block_on(bench.handle(&woken_again(&body, TRIES), in_time())).expect("there is nothing to do");
        assert!(bench.drops.reports.lock().expect("no test panics here").is_empty(), "{body}");
    }
}

#[test]
fn a_last_try_that_succeeds_or_has_nothing_to_do_leaves_the_usual_report() {
    let bench = bench();
    let body = put(&bench, "partner/a.jsonl", "1", &lines());
    block_on(bench.handle(&woken_again(&body, TRIES), in_time())).expect("nothing fails");
    check_report(&bench, "done", ROWS as u64, &[]);
    bench.drops.is_locked.store(true, Ordering::Relaxed);
    block_on(bench.handle(&woken_again(&body, TRIES), in_time())).expect_err("it can't be opened any more");
    check_report(&bench, "done", ROWS as u64, &[]);
}
