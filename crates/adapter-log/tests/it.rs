//! The contract of Stream, and what only a log in a folder has: restarts, crashes, segments, and another process.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use adapter_log::{EmbeddedLog, LogError, LogOptions};
use bytes::Bytes;
use cdp_event::{PartitionId, Record, Sequence, Timestamp};
use cdp_ports::{FaultKind, NewRecord, PortError, Stream};
use futures::executor::block_on;
use futures::future::join_all;
use tempfile::TempDir;

const NOW: Timestamp = Timestamp::from_ms(1_760_000_000_000);
const MAGIC_BYTES: usize = 8;

fn folder() -> TempDir {
    TempDir::new().expect("a folder")
}

fn open(dir: &Path) -> EmbeddedLog {
    open_with(dir, LogOptions::default())
}

fn open_with(dir: &Path, options: LogOptions) -> EmbeddedLog {
    EmbeddedLog::open(dir, 1, options).expect("a good folder of one shard")
}

/// A segment for each append.
fn tiny_segments() -> LogOptions {
    LogOptions { segment_bytes: MAGIC_BYTES as u64 + 1, ..LogOptions::default() }
}

fn only() -> PartitionId {
    PartitionId::new("shardId-000000000000")
}

fn record(data: &str) -> NewRecord {
    NewRecord { partition_key: "key".into(), explicit_hash_key: None, data: Bytes::copy_from_slice(data.as_bytes()) }
}

fn try_append(log: &EmbeddedLog, data: &[&str], now: Timestamp) -> Result<Vec<Sequence>, PortError> {
    let records = data.iter().map(|data| record(data)).collect();
    block_on(log.append(records, now)).map(|places| places.into_iter().map(|(_, sequence)| sequence).collect())
}

fn append(log: &EmbeddedLog, data: &[&str]) -> Vec<Sequence> {
    try_append(log, data, NOW).expect("append")
}

fn read(log: &EmbeddedLog) -> Vec<Record> {
    block_on(log.read(&only(), None, usize::MAX, usize::MAX)).expect("read")
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8(record.data.to_vec()).expect("data here is text")).collect()
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join(only().as_str())).expect("the shard's folder");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn numbers(range: std::ops::Range<u64>) -> Vec<Sequence> {
    range.map(Sequence::from).collect()
}

#[test]
fn keeps_the_contract_of_stream() {
    let dir = folder();
    let count = AtomicU32::new(0);
    for (shards, segment_bytes) in [(2, 128 << 20), (3, 1 << 10)] {
        let make = async || {
            let own = dir.path().join(count.fetch_add(1, Ordering::Relaxed).to_string());
            let options = LogOptions { segment_bytes, ..LogOptions::default() };
            EmbeddedLog::open(own, shards, options).expect("a new folder")
        };
        block_on(cdp_ports::conformance::stream::all(make));
    }
}

#[test]
fn records_are_there_after_a_restart_and_numbers_go_on() {
    for options in [LogOptions::default(), tiny_segments()] {
        let dir = folder();
        for round in 0..4 {
            let log = open_with(dir.path(), options.clone());
            assert_eq!(append(&log, &["a", "b"]), numbers(round * 2..round * 2 + 2));
            let records = read(&log);
            assert_eq!(texts(&records).concat(), "ab".repeat(round as usize + 1));
            assert!(records.iter().all(|record| record.arrived_at == NOW && record.partition_key == "key"));
            assert_eq!(log.tip(&only()).expect("a shard"), Sequence::from(round * 2 + 2));
        }
    }
}

/// Four records, each synced by itself; then the file is changed, and the log opened again.
struct Damage {
    dir: TempDir,
    file: PathBuf,
    whole: Vec<u8>,
    /// Where each record begins, and the end.
    places: Vec<usize>,
}

const FOUR: [&str; 4] = ["first", "second", "third", "last"];

impl Damage {
    fn prepare(appends: &[&[&str]]) -> Self {
        let dir = folder();
        let log = open(dir.path());
        for data in appends {
            append(&log, data);
        }
        drop(log);
        let file = segments(dir.path()).pop().expect("a segment");
        let whole = fs::read(&file).expect("the segment");
        let mut places = vec![MAGIC_BYTES];
        for data in appends.iter().copied().flatten() {
            const HEAD_AND_KEY: usize = 30 + 3;
            places.push(places.last().expect("not empty") + HEAD_AND_KEY + data.len());
        }
        assert_eq!(places.last(), Some(&whole.len()));
        Self { dir, file, whole, places }
    }

    fn one_by_one() -> Self {
        Self::prepare(&FOUR.each_ref().map(std::slice::from_ref))
    }

    fn set(&self, bytes: &[u8]) {
        fs::write(&self.file, bytes).expect("write the segment");
    }

    /// The first `kept` records are there, and the log goes on after them.
    fn assert_cut(&self, kept: usize, case: &str) {
        for goes_on in [false, true] {
            let log = open(self.dir.path());
            let mut expected: Vec<&str> = FOUR[..kept].to_vec();
            if goes_on {
                assert_eq!(append(&log, &["new"]), numbers(kept as u64..kept as u64 + 1), "{case}");
                expected.push("new");
            }
            assert_eq!(texts(&read(&log)), expected, "{case}");
        }
    }

    fn assert_refused(&self, bad: usize, case: &str) {
        match EmbeddedLog::open(self.dir.path(), 1, LogOptions::default()).err() {
            Some(LogError::Damaged { file, offset, .. }) => {
                assert_eq!((file, offset), (self.file.clone(), self.places[bad] as u64), "{case}");
            }
            other => panic!("{case}: {other:?}"),
        }
    }
}

#[test]
fn a_last_record_cut_at_any_byte_is_cut_off() {
    let damage = Damage::one_by_one();
    for length in damage.places[3]..damage.whole.len() {
        damage.set(&damage.whole[..length]);
        damage.assert_cut(3, &format!("cut to {length}"));
    }
    damage.set(&damage.whole);
    damage.assert_cut(4, "whole");
}

#[test]
fn a_last_record_with_any_byte_changed_is_cut_off() {
    let damage = Damage::one_by_one();
    for at in damage.places[3]..damage.whole.len() {
        let mut changed = damage.whole.clone();
        changed[at] ^= 0xFF;
        damage.set(&changed);
        damage.assert_cut(3, &format!("byte {at}"));
    }
}

#[test]
fn a_segment_cut_to_any_length_keeps_its_whole_records() {
    let damage = Damage::one_by_one();
    for length in 0..damage.places[3] {
        damage.set(&damage.whole[..length]);
        let kept = damage.places.iter().skip(1).filter(|place| **place <= length).count();
        damage.assert_cut(kept, &format!("cut to {length}"));
    }
}

#[test]
fn a_file_that_grew_without_its_data_keeps_its_whole_records() {
    let damage = Damage::one_by_one();
    for zeros in [1, 7, 8, 30, 5000] {
        let mut grown = damage.whole.clone();
        grown.resize(grown.len() + zeros, 0);
        damage.set(&grown);
        damage.assert_cut(4, &format!("{zeros} zeros at the end"));
    }
}

#[test]
fn an_earlier_record_with_any_byte_changed_is_told_with_its_place() {
    let damage = Damage::one_by_one();
    for bad in 0..3 {
        for at in damage.places[bad]..damage.places[bad + 1] {
            let mut changed = damage.whole.clone();
            changed[at] ^= 0xFF;
            damage.set(&changed);
            damage.assert_refused(bad, &format!("byte {at} of record {bad}"));
        }
    }
}

#[test]
fn a_last_write_half_done_is_cut_though_its_later_pages_are_there() {
    let damage = Damage::prepare(&[&FOUR[..1], &FOUR[1..]]);
    for bad in 1..4 {
        let mut changed = damage.whole.clone();
        changed[damage.places[bad]..damage.places[bad + 1]].fill(0);
        damage.set(&changed);
        damage.assert_cut(bad, &format!("record {bad} never reached the disk"));
    }
}

#[test]
fn a_full_segment_with_a_changed_byte_is_told_when_it_is_read() {
    let dir = folder();
    let log = open_with(dir.path(), tiny_segments());
    for data in FOUR {
        append(&log, &[data]);
    }
    drop(log);
    let second = &segments(dir.path())[1];
    let mut bytes = fs::read(second).expect("the segment");
    *bytes.last_mut().expect("not empty") ^= 1;
    fs::write(second, bytes).expect("write the segment");

    let log = open_with(dir.path(), tiny_segments());
    let from = |after| block_on(log.read(&only(), after, usize::MAX, usize::MAX));
    let error = from(None).expect_err("record 1 is damaged");
    assert_eq!(error.kind, FaultKind::Broken);
    let message = error.to_string();
    assert!(message.contains(&format!("{} is damaged at byte 8", second.display())), "{message}");
    assert_eq!(texts(&from(Some(Sequence::new(1))).expect("what comes after it")), FOUR[2..]);
}

#[test]
fn segments_follow_each_other_and_read_as_one() {
    let dir = folder();
    let log = open_with(dir.path(), LogOptions { segment_bytes: 10_000, ..LogOptions::default() });
    let data = "x".repeat(1000);
    for _ in 0..25 {
        append(&log, &[&data, &data]);
    }
    assert_eq!(segments(dir.path()).len(), 5, "ten records of 1,033 bytes fill a segment");
    for after in [None, Some(8), Some(9), Some(10), Some(48), Some(49)] {
        let records = block_on(log.read(&only(), after.map(Sequence::from), 7, usize::MAX)).expect("read");
        let first = after.map_or(0, |after| after + 1);
        let sequences: Vec<_> = records.iter().map(|record| record.sequence).collect();
        assert_eq!(sequences, numbers(first..50.min(first + 7)), "after {after:?}");
    }
}

#[test]
fn trim_deletes_full_segments_that_are_done_with_and_old() {
    let dir = folder();
    let log = open_with(dir.path(), tiny_segments());
    for (minute, data) in (0..).zip(FOUR) {
        try_append(&log, &[data], NOW.plus_ms(minute * 60_000)).expect("append");
    }
    let trim = |below: u64, minutes: i64| {
        log.trim(&only(), Sequence::from(below), NOW.plus_ms(minutes * 60_000)).expect("trim")
    };
    let oldest = |log: &EmbeddedLog| log.oldest(&only()).expect("a shard");
    assert_eq!((trim(0, 100), trim(100, 0), oldest(&log)), (0, 0, Sequence::from(0)));
    assert_eq!((trim(1, 100), oldest(&log)), (1, Sequence::from(1)));
    assert_eq!((trim(100, 2), oldest(&log)), (1, Sequence::from(2)), "record 2 is as young as that");
    assert_eq!(texts(&read(&log)), FOUR[2..], "a reader from the start begins at the oldest kept");
    assert_eq!((trim(100, 100), oldest(&log)), (1, Sequence::from(3)), "the last segment stays");
    drop(log);
    let log = open_with(dir.path(), tiny_segments());
    assert_eq!((oldest(&log), log.tip(&only()).expect("a shard")), (Sequence::from(3), Sequence::from(4)));
}

#[test]
fn a_reader_goes_on_while_what_it_reads_is_trimmed() {
    let dir = folder();
    let log = open_with(dir.path(), tiny_segments());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..100 {
                append(&log, &[&n.to_string()]);
                log.trim(&only(), Sequence::from(n), NOW).expect("trim");
            }
        });
        while !writer.is_finished() {
            let sequences: Vec<_> = read(&log).iter().map(|record| record.sequence).collect();
            assert!(sequences.is_sorted_by(|left, right| left < right));
        }
    });
    assert!(log.oldest(&only()).expect("a shard") > Sequence::from(90));
}

#[test]
fn wait_ends_with_a_record_or_in_time() {
    let dir = folder();
    let log = open(dir.path());
    let wait = |after: Option<u64>, ms| {
        log.wait(&only(), after.map(Sequence::from), Duration::from_millis(ms)).expect("a shard")
    };
    assert!(!wait(None, 10));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| (wait(None, 60_000), wait(Some(0), 60_000)));
        append(&log, &["a"]);
        append(&log, &["b"]);
        assert_eq!(waiting.join().expect("no panic"), (true, true));
    });
    let started = Instant::now();
    assert!(wait(Some(0), 60_000) && started.elapsed() < Duration::from_secs(30));
    assert!(!wait(Some(1), 10));
}

#[test]
fn many_appends_share_a_sync() {
    let dir = folder();
    let log = open(dir.path());
    let appends = (0..1000).map(|n| log.append(vec![record(&n.to_string())], NOW));
    let places = block_on(join_all(appends));
    assert!(places.iter().all(Result::is_ok));
    assert_eq!(texts(&read(&log)), (0..1000).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn an_append_beyond_what_may_wait_is_busy_and_passes_later() {
    let dir = folder();
    let log = open_with(dir.path(), LogOptions { max_waiting_bytes: 100_000, ..LogOptions::default() });
    let data = "x".repeat(60_000);
    let outcomes = block_on(join_all((0..20).map(|_| log.append(vec![record(&data)], NOW))));
    let (taken, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert!(!taken.is_empty() && !refused.is_empty());
    for error in refused.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind, FaultKind::Busy, "{error}");
        assert!(error.retry_after.is_some());
    }
    append(&log, &[&data]);
    assert_eq!(read(&log).len(), taken.len() + 1, "what was busy was not written");
}

#[test]
fn an_append_that_nobody_awaits_is_written_on_close() {
    let dir = folder();
    let log = open(dir.path());
    let mut append = Box::pin(log.append(vec![record("unawaited")], NOW));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let _ = append.as_mut().poll(&mut context);
    drop(append);
    drop(log);
    assert_eq!(texts(&read(&open(dir.path()))), ["unawaited"]);
}

#[test]
fn after_a_failed_write_the_log_takes_nothing_until_it_is_opened_again() {
    let dir = folder();
    let log = open_with(dir.path(), tiny_segments());
    append(&log, &["kept"]);
    let (shard, away) = (dir.path().join(only().as_str()), dir.path().join("away"));
    fs::rename(&shard, &away).expect("rename");
    let error = try_append(&log, &["lost"], NOW).expect_err("there is no folder for the next segment");
    assert_eq!(error.kind, FaultKind::Broken);
    assert!(error.to_string().contains("can't make"), "{error}");
    fs::rename(&away, &shard).expect("rename");
    let error = try_append(&log, &["refused"], NOW).expect_err("the first failure is final");
    assert_eq!(error.kind, FaultKind::Broken);
    assert_eq!(texts(&read(&log)), ["kept"]);
    drop(log);
    let log = open_with(dir.path(), tiny_segments());
    assert_eq!(append(&log, &["again"]), numbers(1..2));
}

#[test]
fn a_folder_in_use_is_refused_by_name() {
    let dir = folder();
    let first = open(dir.path());
    let second = EmbeddedLog::open(dir.path(), 1, LogOptions::default()).err();
    assert!(matches!(second, Some(LogError::InUse(path)) if path == dir.path()));
    drop(first);
    open(dir.path());
}

#[test]
fn another_number_of_shards_is_refused() {
    let dir = folder();
    drop(open(dir.path()));
    let refused = EmbeddedLog::open(dir.path(), 2, LogOptions::default()).err();
    assert!(matches!(refused, Some(LogError::OtherShards { stored: 1, asked: 2, .. })), "{refused:?}");
    for count in [0, 10_001] {
        let refused = EmbeddedLog::open(folder().path(), count, LogOptions::default()).err();
        assert!(matches!(refused, Some(LogError::BadShardCount(bad)) if bad == count), "{refused:?}");
    }
}

#[test]
fn the_time_of_creation_outlives_a_restart() {
    let dir = folder();
    let created_at = open(dir.path()).created_at();
    assert!(created_at > NOW.plus_ms(-365 * 86_400_000));
    assert_eq!(open(dir.path()).created_at(), created_at);
}

#[test]
fn hash_ranges_are_told_of_known_shards_only() {
    let log = EmbeddedLog::open(folder().path(), 2, LogOptions::default()).expect("a new folder");
    let ranges = block_on(log.partitions()).expect("partitions");
    let ranges: Vec<_> = ranges.iter().map(|shard| log.hash_range(shard).expect("a shard")).collect();
    assert_eq!(ranges, [(0, (1 << 127) - 1), (1 << 127, u128::MAX)]);
    let unknown = log.hash_range(&PartitionId::new("shardId-000000000002")).expect_err("no such shard");
    assert_eq!(unknown.kind, FaultKind::Missing);
}
