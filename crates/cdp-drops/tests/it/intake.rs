//! Files through ingest, whole, in pieces and after faults.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use adapter_memory::{MemoryLake, MemoryState};
use arrow::array::{Array, AsArray};
use arrow::datatypes::Int32Type;
use cdp_app::{Again, Committer, Ingest, OfFile, RefusedRow};
use cdp_drops::{BatchLimits, DropSettings, DropSource, FileReport, Intake, IntakeError, LocalFile, Status};
use cdp_event::{Envelope, Timestamp};
use cdp_identity::Rules;
use cdp_ports::{Chance, Clock, FaultKind, Item, Key, PortError, PortResult, State, TableName, Transaction};
use futures::executor::block_on;
use tempfile::TempDir;

use crate::files::{SOURCE, events_by_place, gzip, orders_parquet, put, settings, zstd};

const BY_CUSTOMER: &str = "[mapping]\nuser_id = 'customer'\nevent = 'Order'\nproperties = '*'";
const ALL_AT_ONCE: BatchLimits = BatchLimits { rows: 20_000, bytes: 32 << 20 };

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

/// Memory, whose commits fail from some call on, until it is mended. Every second fault strikes after the deed.
#[derive(Default)]
struct Failing {
    memory: MemoryState,
    commits_left: AtomicI64,
}

impl State for Failing {
    async fn get(&self, keys: &[Key]) -> PortResult<Vec<Option<Item>>> {
        self.memory.get(keys).await
    }

    async fn query(&self, partition: &str, prefix: &str, after: Option<&str>, limit: usize) -> PortResult<Vec<Item>> {
        self.memory.query(partition, prefix, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> PortResult<()> {
        let left = self.commits_left.fetch_sub(1, Ordering::Relaxed);
        if left > 0 {
            return self.memory.commit(transaction).await;
        }
        if left % 2 == 0 {
            self.memory.commit(transaction).await?;
        }
        Err(PortError::new(FaultKind::Busy, "commit"))
    }
}

struct Bench {
    folder: TempDir,
    settings: DropSettings,
    ingest: Ingest<Failing, MemoryLake, World>,
}

impl Bench {
    fn new(toml: &str) -> Self {
        let state = Failing { commits_left: AtomicI64::new(i64::MAX), ..Failing::default() };
        let (lake, clock, rules) = (MemoryLake::default(), World::default(), Rules::default());
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, settings: settings(toml), ingest: Ingest { state, lake, clock, rules } }
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        put(self.folder.path(), name, bytes)
    }

    fn fail_after(&self, commits: i64) {
        self.ingest.state.commits_left.store(commits, Ordering::Relaxed);
    }

    fn take_in(&self, path: &Path) -> FileReport {
        self.try_to(path, ALL_AT_ONCE, |_| false).expect("nothing fails")
    }

    /// `stops` is asked after each batch, with the report.
    fn try_to(
        &self,
        path: &Path,
        limits: BatchLimits,
        stops: impl Fn(&FileReport) -> bool + Sync,
    ) -> Result<FileReport, IntakeError> {
        let source = DropSource { name: SOURCE, settings: &self.settings };
        let intake = Intake { ingest: &self.ingest, limits };
        let file = LocalFile::open(path)?;
        block_on(intake.take_in(source, &file, &mut |told| {
            if stops(told.file) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }))
    }

    fn commit(&self) {
        for table in TableName::ALL {
            let committer = Committer { state: &self.ingest.state, lake: &self.ingest.lake, table };
            block_on(committer.drain()).expect("memory");
        }
    }

    /// What the tables say, whatever the order and the batches.
    fn tables(&self) -> BTreeMap<String, u64> {
        self.commit();
        let mut rows = BTreeMap::new();
        for (table, columns) in [
            (TableName::Events, ["sequence", "user_id", "event", "properties", "message_id", "partition"].as_slice()),
            (TableName::Quarantine, &["sequence", "reason", "field", "detail", "partition"]),
        ] {
            for batch in self.ingest.lake.rows(table) {
                let cells: Vec<_> = columns.iter().filter_map(|name| batch.column_by_name(name)).collect();
                for row in 0..batch.num_rows() {
                    let text = |column: &&arrow::array::ArrayRef| {
                        let column = column.as_string::<i32>();
                        if column.is_null(row) { "-".to_owned() } else { column.value(row).to_owned() }
                    };
                    *rows
                        .entry(format!("{table} {}", cells.iter().map(text).collect::<Vec<_>>().join("|")))
                        .or_default() += 1;
                }
            }
        }
        rows
    }

    /// What the refused rows come to by other settings, without their file.
    fn again(&self, settings: &DropSettings) -> Vec<String> {
        self.commit();
        let mut told = vec![];
        for batch in self.ingest.lake.rows(TableName::Quarantine) {
            let text = |name| batch.column_by_name(name).expect("a column").as_string::<i32>().clone();
            let (sequence, request) = (text("sequence"), text("request"));
            let sub = batch.column_by_name("sub").expect("a column").as_primitive::<Int32Type>().clone();
            let bytes = batch.column_by_name("bytes").expect("a column").as_binary::<i32>().clone();
            for at in 0..batch.num_rows() {
                let kept = Envelope::new(SOURCE.into(), Timestamp::default()).with_request(request.value(at));
                let row = kept.and_then(|kept| kept.row).expect("how the row was read is kept");
                let number = sequence.value(at).parse().expect("a number");
                let of_file = OfFile { number, event: sub.value(at).cast_unsigned(), row: &row };
                let (received_at, bytes) = (Timestamp::default(), bytes.value(at));
                let refused = RefusedRow { source: SOURCE, received_at, bytes, of_file: Some(of_file) };
                match cdp_drops::again(settings, &refused, of_file) {
                    Again::Mapped(events) => {
                        told.extend(events.iter().map(|event| String::from_utf8_lossy(&event.bytes).into_owned()));
                    }
                    Again::OnlyWithItsFile => told.push(format!("{number} only with its file")),
                    Again::AsItIs => told.push(format!("{number} as it is")),
                }
            }
        }
        told
    }

    fn quarantined_bytes(&self) -> Vec<Vec<u8>> {
        self.commit();
        let batches = self.ingest.lake.rows(TableName::Quarantine);
        let bytes = |batch: &arrow::record_batch::RecordBatch| {
            let column = batch.column_by_name("bytes").expect("a column").as_binary::<i32>().clone();
            (0..column.len()).map(|at| column.value(at).to_vec()).collect::<Vec<_>>()
        };
        batches.iter().flat_map(bytes).collect()
    }
}

fn counted(report: &FileReport) -> (&str, u64, u64, u64, u64) {
    (report.status.as_str(), report.rows, report.taken, report.duplicates, report.refused)
}

/// 60 rows of JSON, some of them refused, some sent twice.
fn lines() -> String {
    let line = |n: usize| match n % 10 {
        3 => format!("{{\"type\":\"track\",\"userId\":\"u{n}\",\"messageId\":\"{n}\"}}\n"),
        7 => "no JSON\n".to_owned(),
        8 => format!("{{\"type\":\"track\",\"event\":\"E\",\"userId\":\"u{}\",\"messageId\":\"{0}\"}}\n", n - 2),
        _ => format!("{{\"type\":\"track\",\"event\":\"E\",\"userId\":\"u{n}\",\"messageId\":\"{n}\"}}\n"),
    };
    (0..60).map(line).collect()
}

#[test]
fn each_format_and_compression_is_taken_in() {
    let csv = "customer,amount\nu1,1\nu2,2\nu3,3\n";
    let json = "{\"customer\":\"u1\",\"amount\":1}\n{\"customer\":\"u2\",\"amount\":2}\n{\"customer\":\"u3\"}\n";
    let array = format!("[{}]", json.trim_end().replace('\n', ","));
    for (name, bytes, format) in [
        ("a.csv", csv.as_bytes().to_vec(), "csv"),
        ("a.csv.gz", gzip(csv.as_bytes()), "csv"),
        ("a.csv.zst", zstd(csv.as_bytes()), "csv"),
        ("a.jsonl", json.as_bytes().to_vec(), "json_lines"),
        ("a.jsonl.gz", gzip(json.as_bytes()), "json_lines"),
        ("a.json.zst", zstd(array.as_bytes()), "json_array"),
        ("a.parquet", orders_parquet(3, 2), "parquet"),
    ] {
        let bench = Bench::new(BY_CUSTOMER);
        let report = bench.take_in(&bench.put(name, &bytes));
        assert_eq!(counted(&report), ("done", 3, 3, 0, 0), "{name}");
        assert_eq!(report.format.as_deref(), Some(format), "{name}");
        assert_eq!(bench.tables().len(), 3, "{name}");
        assert_eq!(FileReport::read(&bench.folder.path().join(name)), Some(report), "{name}");
    }
}

#[test]
fn a_file_that_was_left_after_any_batch_is_gone_on_with() {
    let clean = Bench::new("");
    let expected = clean.take_in(&clean.put("a.jsonl", lines().as_bytes()));
    assert_eq!((counted(&expected), expected.read_bytes), (("done", 60, 42, 6, 12), None));
    assert_eq!(
        expected.refused_by_reason,
        BTreeMap::from([("missing_event".to_owned(), 6), ("not_json".to_owned(), 6)])
    );
    for stop_at in [1, 10, 33, 50] {
        let bench = Bench::new("");
        let path = bench.put("a.jsonl", lines().as_bytes());
        let limits = BatchLimits { rows: 7, bytes: 1 << 20 };
        let left = bench.try_to(&path, limits, |report| report.rows >= stop_at).expect("nothing fails");
        assert_eq!((left.status, left.rows >= stop_at), (Status::Running, true));
        assert_eq!(left.read_bytes, Some(left.bytes()), "a small file is read at once");
        let report = bench.take_in(&path);
        assert_eq!(counted(&report), counted(&expected), "{stop_at}");
        assert_eq!((&report.refused_by_reason, &report.examples), (&expected.refused_by_reason, &expected.examples));
        assert_eq!(bench.tables(), clean.tables(), "{stop_at}");
    }
}

#[test]
fn after_a_fault_at_any_commit_the_outcome_is_that_of_a_clean_pass() {
    let clean = Bench::new("");
    let expected = clean.take_in(&clean.put("a.jsonl", lines().as_bytes()));
    let mut struck = 0;
    for commits in 0.. {
        let bench = Bench::new("");
        let path = bench.put("a.jsonl", lines().as_bytes());
        bench.fail_after(commits);
        let first = bench.try_to(&path, BatchLimits { rows: 25, bytes: 1 << 20 }, |_| false);
        bench.fail_after(i64::MAX);
        let is_clean = first.is_ok();
        struck += usize::from(!is_clean);
        let report = bench.try_to(&path, BatchLimits { rows: 11, bytes: 1 << 20 }, |_| false).expect("it is mended");
        assert_eq!(counted(&report), counted(&expected), "after {commits} commits");
        assert_eq!(report.refused_by_reason, expected.refused_by_reason, "after {commits} commits");
        assert_eq!(bench.tables(), clean.tables(), "after {commits} commits");
        if is_clean {
            break;
        }
    }
    assert!(struck > 20, "{struck} faults");
}

#[test]
fn the_same_content_under_another_name_changes_nothing() {
    let bench = Bench::new("");
    bench.take_in(&bench.put("monday.jsonl", lines().as_bytes()));
    let before = bench.tables();
    let again = bench.take_in(&bench.put("tuesday.jsonl", lines().as_bytes()));
    assert_eq!((again.status, again.detail.as_deref()), (Status::AlreadyTaken, Some("as monday.jsonl")));
    assert_eq!(bench.tables(), before);
    let longer = lines() + "{\"type\":\"track\",\"event\":\"E\",\"userId\":\"new\",\"messageId\":\"new\"}\n";
    let more = bench.take_in(&bench.put("monday.jsonl", longer.as_bytes()));
    assert_eq!(counted(&more), ("done", 61, 1, 48, 12), "a corrected file brings what is new in it");
}

#[test]
fn a_file_that_changes_while_it_is_read_waits_until_it_is_still() {
    let bench = Bench::new("");
    let path = bench.put("a.jsonl", lines().as_bytes());
    let limits = BatchLimits { rows: 10, bytes: 1 << 20 };
    let grow = |_: &FileReport| {
        let mut text = std::fs::read(&path).expect("there");
        text.extend_from_slice(b"\n");
        std::fs::write(&path, text).is_err()
    };
    let outcome = bench.try_to(&path, limits, grow);
    assert!(
        matches!(&outcome, Err(IntakeError::Changed(place)) if *place == path.display().to_string()),
        "{outcome:?}"
    );
    assert_eq!(bench.take_in(&path).status, Status::Done);
}

#[test]
fn broken_files_are_reported_and_their_rows_kept() {
    let cut = gzip(lines().repeat(2_000).as_bytes());
    let parquet = orders_parquet(10, 10);
    for (name, bytes, toml, status) in [
        ("cut.jsonl.gz", &cut[..cut.len() / 2], "", Status::Truncated),
        ("broken.parquet", &parquet[..parquet.len() - 3], BY_CUSTOMER, Status::Refused),
        ("book.csv", b"PK\x03\x04....", BY_CUSTOMER, Status::Refused),
        ("nul.csv", b"customer,\x00\nu1,1\nu2,1\n", BY_CUSTOMER, Status::Refused),
        ("none.csv", b"id,amount\n1,2\n", BY_CUSTOMER, Status::Refused),
    ] {
        let bench = Bench::new(toml);
        let report = bench.take_in(&bench.put(name, bytes));
        assert_eq!(report.status, status, "{name}: {report:?}");
        assert!(report.detail.is_some() && report.refused > 0, "{name}: {report:?}");
        let kept = bench.quarantined_bytes();
        assert_eq!(kept.len() as u64, report.refused, "{name}");
        assert!(kept.iter().any(|kept| !kept.is_empty()), "{name}");
    }
}

#[test]
fn broken_rows_are_kept_with_their_bytes() {
    let nul = br#"{"type":"track","event":"D n_ul","userId":"w"}"#.map(|byte| if byte == b'_' { 0 } else { byte });
    let sound = br#"{"type":"track","event":"D nul","userId":"w"}"#.as_slice();
    let lines = [sound, b"\0\0\0\0", &nul].join(&b'\n');
    for (name, bytes, toml, refused) in [
        ("ragged.csv", b"customer,amount\nu1,1\nu2\nu3,3,3\n".as_slice(), BY_CUSTOMER, [b"u2".as_slice(), b"u3,3,3"]),
        ("nul.csv", b"customer,amount\nu1,1\nu\x002,1\n\0\0\0\0\0\n", BY_CUSTOMER, [b"u\x002,1", &[0; 5]]),
        ("nul.jsonl", &lines, "", [&[0; 4], &nul]),
    ] {
        let bench = Bench::new(toml);
        let report = bench.take_in(&bench.put(name, bytes));
        assert_eq!(counted(&report), ("done", 3, 1, 0, 2), "{name}");
        assert_eq!(bench.quarantined_bytes(), refused, "{name}");
        assert_eq!(report.examples.iter().map(|example| example.row).collect::<Vec<_>>(), [2, 3], "{name}");
    }
}

#[test]
fn a_bomb_ends_as_one_refused_row() {
    let bomb = gzip(&vec![b' '; 256 << 20]);
    assert!(bomb.len() < 4 << 20);
    for name in ["a.csv.gz", "a.jsonl.gz", "a.json.gz"] {
        let bench = Bench::new("[mapping]\nuser_id = 'a'");
        let report = bench.take_in(&bench.put(name, &bomb));
        assert!(report.taken == 0 && report.refused <= 1, "{name}: {report:?}");
    }
}

#[test]
fn other_settings_give_a_file_of_which_nothing_was_taken_another_chance() {
    let mut bench = Bench::new(BY_CUSTOMER);
    let path = bench.put("a.csv", b"id,amount\n1,2\n");
    assert_eq!(bench.take_in(&path).status, Status::Refused);
    bench.settings = settings("[mapping]\nuser_id = 'id'");
    assert_eq!(counted(&bench.take_in(&path)), ("done", 1, 1, 0, 0));
}

/// Each row has a place in the file: `{n}` events are those that the mended settings make of the whole file there.
#[test]
fn a_refused_row_comes_again_as_the_event_that_it_is_in_its_file() {
    let by_day =
        |format| format!("[mapping]\nuser_id = 'id'\nevent = 'E'\ntime = {{ column = 'day', format = '{format}' }}");
    let (wrong, right) = (by_day("YYYY-MM-DD"), by_day("DD.MM.YYYY"));
    let both = format!("{right}\nproperties = ['amount']\ntraits = ['city']");
    let csv = "id;day;amount;city\nu1;2026-01-31;1;Rome\nu2;31.01.2026;2;\"Aix; \"\"ville\"\"\"\nu3;tomorrow;3;Oslo\nu4;31.01.2026\n";
    let lines = "{\"id\":\"u1\",\"day\":\"2026-01-31\"}\n{\"id\":\"u2\",\"day\":\"31.01.2026\"}\nno JSON\n";
    let array = "[{\"id\":\"u1\",\"day\":\"2026-01-31\"},{\"id\":\"u2\",\"day\":\"31.01.2026\"}]";
    let wide = format!("id,day,{}\nu1,2026-01-31,1\nu2,31.01.2026,1\n", "x".repeat(3_000));
    let lone = "id;day;amount\nu1;2026-01-31;one\nu2;31.01.2026;one\rtwo\n";
    let segment = "{\"type\":\"track\",\"userId\":\"u1\",\"event\":\"E\"}\n{\"type\":\"track\",\"userId\":\"u2\"}\n{\"type\":\"tr";
    for (name, bytes, before, after, expected) in [
        ("a.csv", csv, &*wrong, &*right, &["2.0", "3 only with its file", "4 only with its file"][..]),
        ("two.csv", csv, &wrong, &both, &["2.0", "2.1", "3 only with its file", "4 only with its file"]),
        ("lone.csv", lone, &wrong, &right, &["2.0"]),
        ("still.csv", csv, &wrong, &wrong, &["2 only with its file", "3 only with its file", "4 only with its file"]),
        ("wide.csv", &wide, &wrong, &right, &["2 only with its file"]),
        ("a.jsonl", lines, &wrong, &right, &["2.0", "3 only with its file"]),
        ("a.json", array, &wrong, &right, &["2.0"]),
        ("segment.jsonl", segment, "", "", &["2 only with its file", "3 only with its file"]),
    ] {
        let bench = Bench::new(before);
        let report = bench.take_in(&bench.put(name, bytes.as_bytes()));
        assert_eq!(report.taken, 1, "{name}: {report:?}");
        let of_file = events_by_place(name, bytes.as_bytes(), &settings(after));
        let expected: Vec<&str> =
            expected.iter().map(|told| of_file.get(*told).map_or(*told, String::as_str)).collect();
        assert_eq!(bench.again(&settings(after)), expected, "{name}");
    }
}

/// Half of a character in what the event tells: what the row tells of the person was taken.
#[test]
fn of_a_row_of_two_events_the_refused_one_comes_again_alone() {
    let person_only = "[mapping]\nuser_id = 'id'\ntraits = ['city']\nskip = ['amount']";
    let without_amount = format!("{person_only}\nevent = 'Order'");
    let mapping = format!("{without_amount}\nproperties = ['amount']");
    let lines = br#"{"id":"u1","city":"Rome","amount":["\ud800"]}"#;
    let bench = Bench::new(&mapping);
    let report = bench.take_in(&bench.put("a.jsonl", lines));
    assert_eq!((report.events, report.taken, report.refused), (2, 1, 1), "{report:?}");
    let of_file = events_by_place("a.jsonl", lines, &settings(&without_amount));
    assert_eq!(bench.again(&settings(&without_amount)), [of_file["1.1"].clone()]);
    assert_eq!(bench.again(&settings(person_only)), ["1 only with its file"], "which of its events was it?");
}

#[test]
fn a_row_of_parquet_comes_again_from_its_json() {
    let parquet = orders_parquet(2, 10);
    let (wrong, right) = ("[mapping]\nuser_id = 'customer'\nevent = 'E'\ntime = { column = 'amount' }", BY_CUSTOMER);
    let bench = Bench::new(wrong);
    assert_eq!(bench.take_in(&bench.put("a.parquet", &parquet)).refused, 2);
    let of_file = events_by_place("a.parquet", &parquet, &settings(right));
    assert_eq!(bench.again(&settings(right)), [of_file["1.0"].clone(), of_file["2.0"].clone()]);
}
