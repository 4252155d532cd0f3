//! What tables in a bucket go through: other processes, large files, and a bill for each request.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod bench;
#[path = "bench/counted.rs"]
mod counted;
#[path = "bench/bucket.rs"]
mod in_bucket;

use std::iter::once;
use std::sync::Arc;

use adapter_delta::{Bucket, DeltaError, DeltaLake};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use cdp_event::Timestamp;
use cdp_ports::{FaultKind, Lake, Landing, TableName};
use futures::executor::block_on;
use object_store::memory::InMemory;
use url::Url;

use bench::{Bench, DATE, read, sample};
use counted::{Counted, Request};

const TABLE: TableName = TableName::Events;

fn rows(lake: &DeltaLake) -> usize {
    read(lake, TABLE).iter().map(RecordBatch::num_rows).sum()
}

#[test]
fn a_readers_bucket_stays_empty() {
    let bucket = || Bucket::over(Arc::new(InMemory::new()), Url::parse("memory:///").expect("a URL"));
    let outcome = DeltaLake::open_existing_bucket(bucket()).map(drop);
    assert!(matches!(outcome, Err(DeltaError::NoTable(_))), "{outcome:?}");
    DeltaLake::open_bucket(bucket()).expect("a lake may be all there is in a bucket");
}

#[test]
fn tables_are_named_for_where_they_stand() {
    let bench = Bench::in_memory();
    assert_eq!(bench.lake.table_url(TABLE).as_str(), "memory:///lakes/of%20a%20test/events/");
    bench.put(TABLE, "a", 1);
    let paths: Vec<String> = bench.objects(TABLE).iter().map(ToString::to_string).collect();
    let expected = [format!("_delta_log/{:020}.json", 0), format!("date={DATE}/a.parquet")];
    assert_eq!(paths, expected.map(|path| format!("lakes/of a test/events/{path}")));
}

#[test]
fn processes_that_make_the_tables_at_once_make_them_once() {
    let bench = Bench::over(Arc::new(InMemory::new()));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(bench.open_again().newest(TABLE).expect("a readable log").version, 0));
        }
    });
}

#[test]
fn of_racing_commits_of_one_plan_one_wins() {
    let bench = Bench::in_memory();
    for plan in 1..=12 {
        let files = [bench.put(TABLE, &format!("plan-{plan}"), 2)];
        let lakes: Vec<DeltaLake> = (0..4).map(|_| bench.open_again()).collect();
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let racing = lakes.iter().map(|lake| scope.spawn(|| block_on(lake.commit(TABLE, plan, &files))));
            let racing: Vec<_> = racing.collect();
            racing.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        let lost = outcomes.into_iter().filter_map(Result::err).map(|error| error.kind);
        assert_eq!(lost.collect::<Vec<_>>(), [FaultKind::Stale; 3]);
        assert_eq!((rows(&bench.lake), rows(&lakes[0])), (plan as usize * 2, plan as usize * 2));
    }
}

#[test]
fn the_sweep_shortens_the_log_and_takes_what_was_replaced() {
    let bench = Bench::in_memory();
    let other = bench.open_existing();
    for plan in 1..=25 {
        let file = bench.put(TABLE, &format!("file-{plan}"), 2);
        bench.commit(TABLE, plan, &[file]).expect("commit");
    }
    block_on(bench.lake.compact(TABLE, 1 << 20)).expect("compact").expect("there are small files");
    assert_eq!(block_on(bench.lake.sweep(TABLE, &[], Timestamp::LATEST)).expect("sweep"), 25);
    assert!(bench.commits(TABLE).keys().copied().eq(20..=26), "{:?}", bench.commits(TABLE).keys());
    let file = bench.put(TABLE, "late", 3);
    block_on(other.commit(TABLE, 26, &[file])).expect("it finds no free place where the log was shortened");
    assert_eq!((rows(&other), rows(&bench.open_again())), (53, 53));
}

#[test]
fn a_large_file_goes_in_parts_and_comes_back_whole() {
    let store = Counted::new();
    let bench = Bench::over(store.clone());
    let noise: ArrayRef = Arc::new(StringArray::from_iter_values((0..40).map(noise)));
    let rows = sample(TABLE, 40);
    let at = rows.schema().index_of("properties").expect("a column");
    let columns = rows.columns().iter().enumerate().map(|(n, column)| if n == at { &noise } else { column }.clone());
    let large = RecordBatch::try_new(rows.schema(), columns.collect()).expect("columns of one length");
    store.requests();
    let file = block_on(bench.lake.put(TABLE, DATE, "large", &mut once(Ok(large)))).expect("put");
    let parts = usize::try_from(file.bytes.div_ceil(8 << 20)).expect("a few");
    assert!(parts > 3, "{} bytes", file.bytes);
    let expected = once(Request::BeginParts).chain(vec![Request::Part; parts]).chain(once(Request::EndParts));
    assert_eq!(store.requests(), expected.collect::<Vec<_>>());
    bench.commit(TABLE, 1, &[file]).expect("commit");
    let column = read(&bench.lake, TABLE)[0].column(at).clone();
    assert_eq!(&column, &noise);
}

/// A MiB of text that hardly gets smaller.
fn noise(seed: u64) -> String {
    let mut state = seed + 1;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + (state >> 58) as u8)
    };
    (0..1 << 20).map(next).collect()
}

/// Each request is paid for: these numbers change on purpose only.
#[test]
fn a_put_is_one_request_and_a_commit_is_three() {
    let store = Counted::new();
    let bench = Bench::over(store.clone());
    // The first commit looks for the last plan in the log, and knows it from then on.
    let first = bench.put(TABLE, "first", 1);
    bench.commit(TABLE, 1, &[first]).expect("commit");
    store.requests();

    let file = bench.put(TABLE, "a", 1);
    assert_eq!(store.requests(), [Request::Put]);
    assert_eq!(block_on(bench.lake.last_plan(TABLE)).expect("a readable log"), Some(1));
    assert_eq!(store.requests(), [Request::Head; 2], "is ours there? is a later one?");
    bench.commit(TABLE, 2, &[file]).expect("commit");
    assert_eq!(store.requests(), [Request::Head, Request::Head, Request::PutIfAbsent]);
}

#[test]
fn who_only_lands_asks_for_nothing_else() {
    let store = Counted::new();
    let bench = Bench::over(store.clone());
    store.requests();
    let landing = bench.landing();
    let file = block_on(landing.put(TABLE, DATE, "a", &mut once(Ok(sample(TABLE, 3))))).expect("put");
    assert_eq!(store.requests(), [Request::Put]);
    bench.commit(TABLE, 1, &[file]).expect("commit");
    assert_eq!(rows(&bench.lake), 3);
}

#[test]
fn what_is_seldom_takes_a_request_for_each_file_that_it_reads() {
    let store = Counted::new();
    let bench = Bench::over(store.clone());
    let check = |what: &str, of_each: &[(Request, usize)]| {
        let requests = store.requests();
        let count = |kind: &Request| requests.iter().filter(|request| *request == kind).count();
        for (kind, at_most) in of_each {
            assert!(count(kind) <= *at_most, "{what}: {} times {kind:?}, not {at_most}", count(kind));
        }
        let of_those: usize = of_each.iter().map(|(kind, _)| count(kind)).sum();
        assert_eq!(of_those, requests.len(), "{what}: {requests:?}");
    };
    use Request::{Delete, Get, Head, List, Put, PutIfAbsent};
    check("four new tables", &[(List, 8), (Get, 12), (PutIfAbsent, 4)]);
    for plan in 1..=10 {
        let file = bench.put(TABLE, &plan.to_string(), 1);
        store.requests();
        bench.commit(TABLE, plan, &[file]).expect("commit");
    }
    check("a commit with its checkpoint", &[(Head, 3), (Get, 11), (PutIfAbsent, 1), (Put, 2)]);
    bench.open_again();
    check("four tables", &[(List, 4), (Get, 10)]);
    block_on(bench.lake.compact(TABLE, 1 << 20)).expect("compact").expect("there are small files");
    check("compaction of ten files", &[(Head, 4), (Get, 10 + 16), (Put, 1), (PutIfAbsent, 1)]);
    block_on(bench.lake.sweep(TABLE, &[], Timestamp::LATEST)).expect("sweep");
    check("a sweep", &[(Head, 2), (List, 2), (Get, 10), (Delete, 2)]);
}

#[test]
fn any_runtime_may_call_and_drop_a_lake() {
    let current = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let many = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
    for runtime in [current, many] {
        let tables = async {
            let bench = Bench::in_memory();
            for plan in 1..=11 {
                let mut rows = once(Ok(sample(TABLE, 1)));
                let file = bench.lake.put(TABLE, DATE, &plan.to_string(), &mut rows).await.expect("put");
                bench.lake.commit(TABLE, plan, &[file]).await.expect("commit");
            }
            assert_eq!(rows(&bench.lake), 11);
        };
        // On a worker where there is one.
        runtime.block_on(async { tokio::spawn(tables).await.expect("no panic") });
    }
}
