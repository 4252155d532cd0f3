//! What the proof asks of the tables is what the views show.

use cdp_app::TableFacts;
use cdp_query::Query;
use futures::TryStreamExt;

use crate::sample::Sample;

/// Rows of texts, or of numbers as text.
async fn rows(query: &Query, statement: &str) -> Vec<Vec<String>> {
    let (_, batches) = query.sql(statement).await.expect("a sound statement");
    let mut rows = Vec::new();
    for batch in batches {
        let columns = batch.columns();
        let text = |column, row| arrow::util::display::array_value_to_string(column, row).expect("text");
        rows.extend(
            (0..batch.num_rows()).map(|row| columns.iter().map(|column| text(column, row)).collect::<Vec<_>>()),
        );
    }
    rows
}

/// Claimants joined to canonical rows, as the proof joins them.
async fn canonical(query: &Query) -> Vec<Vec<String>> {
    let claimants: Vec<Vec<String>> = query.claimants().try_collect().await.expect("a lake");
    let newest: Vec<_> = query.canonical().try_collect().await.expect("a lake");
    let newest = newest.concat();
    let root = |profile: &String| {
        newest.iter().find(|row| row.profile_id == *profile).map_or(profile.clone(), |row| row.canonical_id.clone())
    };
    claimants.concat().into_iter().map(|profile| vec![profile.clone(), root(&profile)]).collect()
}

async fn people(query: &Query) -> Vec<Vec<String>> {
    let newest: Vec<_> = query.newest_profiles().try_collect().await.expect("a lake");
    let people = newest.into_iter().flatten().filter(|row| row.merged_into.is_none());
    people.map(|row| vec![row.profile_id, row.events.to_string()]).collect()
}

#[tokio::test]
async fn the_proof_sees_what_the_views_show() {
    for (sample, edges, persons) in [(Sample::empty(), 0, 0), (Sample::full().await, 1, 2)] {
        let query = sample.query();
        let shown = rows(&query, "select profile_id, canonical_id from canonical order by profile_id").await;
        assert_eq!(canonical(&query).await, shown);
        let shown = rows(&query, "select profile_id, events from people order by profile_id").await;
        assert_eq!(people(&query).await, shown);
        assert_eq!((query.edges().await.expect("a lake"), shown.len()), (edges, persons));
    }
}
