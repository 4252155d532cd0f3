//! What tables in a folder go through: crashes, other processes, newer releases, readers that take their time.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod bench;

use std::fs;
use std::iter::once;
use std::path::Path;
use std::sync::Arc;

use adapter_delta::{DeltaError, DeltaLake};
use arrow::datatypes::{DataType, Field, Schema};
use cdp_event::Timestamp;
use cdp_ports::{FaultKind, Lake, Landing, TableName};
use futures::executor::block_on;
use serde_json::Value;

use bench::{Bench, DATE, read, sample, texts};

const TABLE: TableName = TableName::Events;

fn rows(lake: &DeltaLake) -> usize {
    read(lake, TABLE).iter().map(|rows| rows.num_rows()).sum()
}

fn commit_files(bench: &Bench, plans: std::ops::RangeInclusive<u64>) {
    for plan in plans {
        let file = bench.put(TABLE, &format!("file-{plan}"), 2);
        bench.commit(TABLE, plan, &[file]).expect("commit");
    }
}

/// The actions of one kind in all of a log's commits.
fn actions(log: &Path, kind: &str) -> Vec<Value> {
    let commits = fs::read_dir(log).expect("a log").map(|entry| entry.expect("an entry").path());
    let commits = commits.filter(|path| path.extension().is_some_and(|kind| kind == "json"));
    let lines = commits.flat_map(|path| {
        let text = fs::read_to_string(path).expect("text");
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    let actions = lines.map(|line| serde_json::from_str::<Value>(&line).expect("JSON"));
    actions.filter_map(|mut action| action.get_mut(kind).map(Value::take)).collect()
}

fn log(bench: &Bench) -> std::path::PathBuf {
    bench.folder(TABLE).join("_delta_log")
}

#[test]
fn a_new_table_asks_little_of_its_readers() {
    let bench = Bench::new();
    let [protocol] = &actions(&log(&bench), "protocol")[..] else { panic!("one protocol") };
    assert_eq!(protocol, &serde_json::json!({ "minReaderVersion": 1, "minWriterVersion": 2 }));
    let [metadata] = &actions(&log(&bench), "metaData")[..] else { panic!("one metadata") };
    assert_eq!(metadata["partitionColumns"], serde_json::json!(["date"]));
}

#[test]
fn many_commits_are_checkpointed_and_found_again_by_another_process() {
    let bench = Bench::new();
    commit_files(&bench, 1..=25);
    let again = bench.open_again();
    assert_eq!((rows(&again), block_on(again.last_plan(TABLE)).expect("a readable log")), (50, Some(25)));
    let last: Value =
        serde_json::from_slice(&fs::read(log(&bench).join("_last_checkpoint")).expect("a file")).expect("JSON");
    assert_eq!(last["version"], 20);
}

#[test]
fn what_another_process_commits_is_seen_at_once() {
    let (bench, plans) = (Bench::new(), 1..=23);
    let other = bench.open_again();
    for plan in plans {
        commit_files(&bench, plan..=plan);
        assert_eq!(rows(&other), plan as usize * 2);
    }
}

#[test]
fn of_two_processes_with_one_plan_one_is_stale() {
    let bench = Bench::new();
    let other = bench.open_again();
    let file = bench.put(TABLE, "a", 3);
    bench.commit(TABLE, 1, std::slice::from_ref(&file)).expect("commit");
    let refused = block_on(other.commit(TABLE, 1, &[file])).expect_err("it happened already");
    assert_eq!((refused.kind, rows(&other)), (FaultKind::Stale, 3));
}

#[test]
fn of_two_processes_that_want_the_logs_next_place_one_takes_the_place_after_it() {
    let bench = Bench::new();
    let other = bench.open_again();
    commit_files(&bench, 1..=1);
    let file = bench.put(TABLE, "b", 3);
    block_on(other.commit(TABLE, 2, &[file])).expect("the next place is free");
    assert_eq!((rows(&bench.lake), rows(&other)), (5, 5));
}

#[test]
fn a_process_that_looked_long_ago_finds_no_free_place_where_the_log_was_shortened() {
    let bench = Bench::new();
    let other = bench.open_again();
    commit_files(&bench, 1..=25);
    block_on(bench.lake.sweep(TABLE, &[], Timestamp::LATEST)).expect("sweep");
    assert!(!log(&bench).join(format!("{:020}.json", 1)).exists());
    let file = bench.put(TABLE, "late", 3);
    block_on(other.commit(TABLE, 26, &[file])).expect("commit");
    assert_eq!((rows(&bench.open_again()), rows(&other)), (53, 53));
    assert!(!log(&bench).join(format!("{:020}.json", 1)).exists());
}

#[test]
fn a_crash_between_put_and_commit_leaves_a_file_that_the_sweep_takes() {
    let bench = Bench::new();
    commit_files(&bench, 1..=3);
    bench.put(TABLE, "lost", 100);
    let folder = bench.folder(TABLE).join(format!("date={DATE}"));
    fs::write(folder.join(".half.parquet.1-1.tmp"), b"PAR1 and then the power went").expect("a file");
    fs::write(log(&bench).join(".00000000000000000004.json.1-1.tmp"), b"{\"commitInfo\"").expect("a file");
    let again = bench.open_again();
    assert_eq!(rows(&again), 6);
    assert_eq!(block_on(again.sweep(TABLE, &[], Timestamp::LATEST)).expect("sweep"), 2);
    commit_files(&bench, 4..=4);
    assert_eq!(rows(&again), 8);
    let left =
        fs::read_dir(log(&bench)).expect("a log").filter(|e| e.as_ref().is_ok_and(|e| e.path().ends_with("tmp")));
    assert_eq!(left.count(), 0);
}

#[test]
fn a_crash_after_a_commit_is_told_from_one_before_it_by_the_plan() {
    let bench = Bench::new();
    let file = bench.put(TABLE, "a", 3);
    for (happened, before) in [(false, None), (true, Some(1))] {
        let again = bench.open_again();
        assert_eq!(block_on(again.last_plan(TABLE)).expect("a readable log"), before);
        let outcome = block_on(again.commit(TABLE, 1, std::slice::from_ref(&file)));
        assert_eq!(outcome.is_err(), happened);
        assert_eq!(rows(&again), 3);
    }
}

#[test]
fn a_compaction_keeps_each_row_and_says_that_no_data_changed() {
    let bench = Bench::new();
    commit_files(&bench, 1..=9);
    let before = texts(&read(&bench.lake, TABLE), "message_id");
    let done = block_on(bench.lake.compact(TABLE, 1 << 20)).expect("compact").expect("there are small files");
    assert_eq!((done.files_removed, done.files_added, done.rows), (9, 1, 18));
    assert_eq!(texts(&read(&bench.open_again(), TABLE), "message_id"), before);
    let removed = actions(&log(&bench), "remove");
    assert_eq!(removed.len(), 9);
    assert!(removed.iter().all(|action| action["dataChange"] == false), "{removed:?}");
    let plan = block_on(bench.open_again().last_plan(TABLE)).expect("a readable log");
    assert_eq!(plan, Some(9), "compactions carry no plan");
}

#[test]
fn of_two_compactions_of_the_same_files_one_is_stale() {
    let bench = Bench::new();
    commit_files(&bench, 1..=9);
    let other = bench.open_again();
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(|| block_on(bench.lake.compact(TABLE, 1 << 20)));
        let two = scope.spawn(|| block_on(other.compact(TABLE, 1 << 20)));
        (one.join().expect("no panic"), two.join().expect("no panic"))
    });
    for outcome in [one, two] {
        assert!(outcome.as_ref().map_or_else(|error| error.is_stale(), |_| true), "{outcome:?}");
    }
    assert_eq!((rows(&bench.lake), rows(&other)), (18, 18));
}

#[test]
fn replaced_files_stay_while_somebody_may_read_them() {
    let bench = Bench::new();
    commit_files(&bench, 1..=9);
    let reader = bench.lake.newest(TABLE).expect("a readable log");
    let last_write = Timestamp::from_ms(reader_clock(&bench, &reader.files[8].path) + 1);
    std::thread::sleep(std::time::Duration::from_millis(20));
    block_on(bench.lake.compact(TABLE, 1 << 20)).expect("compact").expect("there are small files");
    assert_eq!(block_on(bench.lake.sweep(TABLE, &[], last_write)).expect("sweep"), 0, "removed a moment ago");
    assert!(reader.files.iter().all(|file| bench.folder(TABLE).join(&file.path).exists()));
    assert_eq!(block_on(bench.lake.sweep(TABLE, &[], Timestamp::LATEST)).expect("sweep"), 9);
    assert_eq!(rows(&bench.open_again()), 18);
}

/// When the file was written.
fn reader_clock(bench: &Bench, path: &str) -> i64 {
    let modified = bench.folder(TABLE).join(path).metadata().and_then(|m| m.modified()).expect("a time");
    modified.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis() as i64
}

#[test]
fn the_sweep_shortens_the_log_to_its_last_checkpoint() {
    let bench = Bench::new();
    let other = bench.open_again();
    commit_files(&bench, 1..=25);
    block_on(bench.lake.sweep(TABLE, &[], Timestamp::LATEST)).expect("sweep");
    let mut names: Vec<String> = fs::read_dir(log(&bench))
        .expect("a log")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let commits = (20..=25).map(|version| format!("{version:020}.json"));
    let mut expected: Vec<String> = commits.chain([format!("{:020}.checkpoint.parquet", 20)]).collect();
    expected.push("_last_checkpoint".to_owned());
    expected.sort();
    assert_eq!(names, expected);
    for lake in [&bench.lake, &other, &bench.open_again()] {
        assert_eq!((rows(lake), block_on(lake.last_plan(TABLE)).expect("a readable log")), (50, Some(25)));
    }
    commit_files(&bench, 26..=31);
    assert_eq!(rows(&other), 62);
}

#[test]
fn the_sweep_keeps_what_a_young_checkpoint_has_replaced() {
    let bench = Bench::new();
    commit_files(&bench, 1..=9);
    let before = Timestamp::from_ms(reader_clock(&bench, &bench.lake.newest(TABLE).expect("a log").files[8].path) + 1);
    std::thread::sleep(std::time::Duration::from_millis(20));
    commit_files(&bench, 10..=12);
    assert!(log(&bench).join(format!("{:020}.checkpoint.parquet", 10)).exists());
    block_on(bench.lake.sweep(TABLE, &[], before)).expect("sweep");
    assert!(log(&bench).join(format!("{:020}.json", 0)).exists());
}

#[test]
fn a_table_of_an_earlier_release_gains_the_columns_it_lacks() {
    let bench = Bench::new();
    commit_files(&bench, 1..=3);
    forget_columns(&bench, &["campaign_name", "order_id"]);
    let again = bench.open_again();
    let newest = again.newest(TABLE).expect("a readable log");
    let position = |name| newest.columns.index_of(name).expect("a column");
    assert_eq!((position("order_id"), newest.columns.fields().len()), (32, 33), "new columns come last");
    assert!(newest.columns.field_with_name("campaign_name").expect("a column").is_nullable());

    let file = block_on(again.put(TABLE, DATE, "new", &mut once(Ok(sample(TABLE, 2))))).expect("put");
    block_on(again.commit(TABLE, 4, &[file])).expect("commit");
    assert_eq!(bench.open_again().newest(TABLE).expect("a readable log").version, newest.version + 1, "once");
    for plan in 5..=12 {
        let file =
            block_on(again.put(TABLE, DATE, &format!("new-{plan}"), &mut once(Ok(sample(TABLE, 1))))).expect("put");
        block_on(again.commit(TABLE, plan, &[file])).expect("commit");
    }
    block_on(again.compact(TABLE, 1 << 20)).expect("compact").expect("old files and new ones become one");
    assert_eq!(rows(&again), 16);
}

/// Makes the table one whose release did not know some columns: in its metadata and in its files.
fn forget_columns(bench: &Bench, names: &[&str]) {
    let first = log(bench).join(format!("{:020}.json", 0));
    let text = fs::read_to_string(&first).expect("text");
    let lines = text.lines().map(|line| {
        let mut action: Value = serde_json::from_str(line).expect("JSON");
        if let Some(schema) = action["metaData"]["schemaString"].as_str() {
            let mut schema: Value = serde_json::from_str(schema).expect("JSON");
            let fields = schema["fields"].as_array_mut().expect("fields");
            fields.retain(|field| !names.contains(&field["name"].as_str().expect("a name")));
            action["metaData"]["schemaString"] = Value::from(schema.to_string());
        }
        action.to_string()
    });
    let text: Vec<String> = lines.filter(|line| line != "null").collect();
    fs::write(first, text.join("\n")).expect("a file");
    for file in bench.lake.newest(TABLE).expect("a readable log").files.iter() {
        let path = bench.folder(TABLE).join(&file.path);
        let rows = sample(TABLE, file.rows as usize);
        let kept: Vec<usize> =
            (0..rows.num_columns()).filter(|at| !names.contains(&rows.schema().field(*at).name().as_str())).collect();
        let encoded = cdp_lake::encode::encode(&rows.project(&kept).expect("columns")).expect("sound rows");
        fs::write(path, encoded.bytes).expect("a file");
    }
}

#[test]
fn a_table_of_a_newer_release_keeps_its_columns() {
    let bench = Bench::new();
    let newer = Arc::new(Schema::new(vec![Field::new("mood", DataType::Utf8, true)]));
    add_column(&bench, newer.field(0));
    let again = bench.open_again();
    let file = block_on(again.put(TABLE, DATE, "a", &mut once(Ok(sample(TABLE, 2))))).expect("put");
    block_on(again.commit(TABLE, 1, &[file])).expect("commit");
    assert!(again.newest(TABLE).expect("a readable log").columns.index_of("mood").is_ok());
    assert_eq!(rows(&again), 2);
}

fn add_column(bench: &Bench, field: &Field) {
    let [mut metadata] = <[Value; 1]>::try_from(actions(&log(bench), "metaData")).expect("one metadata");
    let mut schema: Value = serde_json::from_str(metadata["schemaString"].as_str().expect("text")).expect("JSON");
    let column = serde_json::json!({ "name": field.name(), "type": "string", "nullable": true, "metadata": {} });
    schema["fields"].as_array_mut().expect("fields").push(column);
    metadata["schemaString"] = Value::from(schema.to_string());
    let commit = serde_json::json!({ "metaData": metadata }).to_string();
    fs::write(log(bench).join(format!("{:020}.json", 1)), commit).expect("a file");
}

#[test]
fn a_reader_makes_no_tables() {
    let folder = tempfile::tempdir().expect("a folder");
    let outcome = DeltaLake::open_existing(&folder.path().join("lake")).map(drop);
    assert!(matches!(outcome, Err(DeltaError::NoTable(_))), "{outcome:?}");
    assert!(!folder.path().join("lake").exists());
}

#[test]
fn a_path_may_go_up_and_down_again() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("beside")).expect("a folder");
    let lake = folder.path().join("beside").join("..").join("lake");
    for open in [DeltaLake::open, DeltaLake::open_existing] {
        open(&lake).map(drop).expect("a lake");
    }
    assert!(folder.path().join("lake/events/_delta_log").is_dir());
}

#[test]
fn any_runtime_may_call_and_drop_a_lake() {
    let current = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let many = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
    for runtime in [current, many] {
        runtime.block_on(async {
            let bench = Bench::new();
            for plan in 1..=11 {
                let file =
                    bench.lake.put(TABLE, DATE, &plan.to_string(), &mut once(Ok(sample(TABLE, 1)))).await.expect("put");
                bench.lake.commit(TABLE, plan, &[file]).await.expect("commit");
            }
            assert_eq!(rows(&bench.lake), 11);
        });
    }
}
