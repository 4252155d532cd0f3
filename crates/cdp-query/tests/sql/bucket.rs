//! The same lake in a bucket gives the same answers.

use std::sync::Arc;

use adapter_delta::{Bucket, DeltaLake};
use arrow::util::pretty::pretty_format_batches;
use cdp_query::Query;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use url::Url;

use crate::sample::{Sample, fill};

type Store = Arc<dyn ObjectStore>;

fn bucket(store: &Store) -> Bucket {
    Bucket::over(Arc::clone(store), Url::parse("memory:///lakes/of%20a%20test").expect("a URL"))
}

async fn answer(query: &Query, statement: &str) -> String {
    let (_, rows) = query.sql(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    pretty_format_batches(&rows).expect("text").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_in_a_bucket_answers_as_one_in_a_folder() {
    let store: Store = Arc::new(InMemory::new());
    fill(&DeltaLake::open_bucket(bucket(&store)).expect("an empty bucket becomes a lake")).await;
    let there = Query::over(Arc::new(DeltaLake::open_existing_bucket(bucket(&store)).expect("a lake")));
    let sample = Sample::full().await;
    let here = sample.query();
    for statement in [
        "select message_id, date, properties from events order by message_id, date",
        "select count(*) as n from events where date = '2026-01-31' and user_id = 'jane'",
        "select reason, bytes from quarantine order by received_at, sub",
        "select * from people order by profile_id",
        "select * from canonical order by profile_id",
    ] {
        assert_eq!(answer(&there, statement).await, answer(&here, statement).await, "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_later_is_seen_by_the_next_statement() {
    let store: Store = Arc::new(InMemory::new());
    let lake = DeltaLake::open_bucket(bucket(&store)).expect("an empty bucket becomes a lake");
    let reader = Query::over(Arc::new(DeltaLake::open_existing_bucket(bucket(&store)).expect("a lake")));
    let counted = async || answer(&reader, "select count(*) = 0 as is_empty from events").await;
    assert!(counted().await.contains("true"));
    fill(&lake).await;
    assert!(counted().await.contains("false"));
}
