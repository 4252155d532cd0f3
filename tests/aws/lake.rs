//! The lake in S3, in the bucket that `CDP_TEST_BUCKET` names.

#![expect(clippy::panic, reason = "a test fails by a panic")]

use adapter_delta::{DeltaLake, S3Bucket};
use cdp_ports::conformance::lake::{self, LakeBench};
use cdp_ports::{FaultKind, Lake, TableName};

#[path = "../../crates/adapter-delta/tests/bench/mod.rs"]
mod bench;

use bench::Bench;

const TABLE: TableName = TableName::Events;
const WRITERS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract_of_lake() {
    lake::all(async || fresh().await).await;
}

/// What the log's order rests on: of those who want one place in it, S3 lets one have it.
#[tokio::test(flavor = "multi_thread")]
async fn of_racing_commits_of_a_plan_one_wins() {
    let bench = fresh().await;
    for plan in 1..=12 {
        let files = [bench.put(TABLE, &format!("plan-{plan}"), 2)];
        let lakes: Vec<DeltaLake> = (0..WRITERS).map(|_| open(&bench.place)).collect();
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let commit = |lake| futures::executor::block_on(DeltaLake::commit(lake, TABLE, plan, &files));
            let racing: Vec<_> = lakes.iter().map(|lake| scope.spawn(move || commit(lake))).collect();
            racing.into_iter().map(|writer| writer.join().expect("no panic")).collect()
        });
        let lost: Vec<FaultKind> = outcomes.into_iter().filter_map(Result::err).map(|error| error.kind).collect();
        assert_eq!(lost, [FaultKind::Stale; WRITERS - 1]);
        assert_eq!(bench.count_rows(TABLE).await, plan as usize * 2);
    }
}

/// A lake that nobody has used yet.
async fn fresh() -> Bench<S3Bucket> {
    let name = std::env::var("CDP_TEST_BUCKET").expect("CDP_TEST_BUCKET names a bucket");
    let prefix = format!("cdp-tests/{}", crate::fresh_name("lake"));
    let place = S3Bucket::of(&crate::config().await, &name, &prefix).expect("credentials and a region");
    Bench { lake: open(&place), place }
}

fn open(place: &S3Bucket) -> DeltaLake {
    let bucket = place.clone().bucket().expect("a bucket's name");
    DeltaLake::open_bucket(bucket).expect("an empty prefix becomes a lake")
}
