//! One statement, one answer.

use arrow::util::display::{ArrayFormatter, FormatOptions};
use cdp_ports::TableName;

use crate::sample::{DAYS, Sample, profile, rows};

/// The answer as text: values parted by `|`, rows by line ends, null as nothing; or the error.
async fn answer(sample: &Sample, statement: &str) -> String {
    let batches = match sample.query().sql(statement).await {
        Ok((_, batches)) => batches,
        Err(error) => return format!("error: {error}"),
    };
    let options = FormatOptions::default();
    let mut lines = Vec::new();
    for batch in &batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).expect("a plain type"))
            .collect();
        lines.extend(
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|")),
        );
    }
    lines.join("\n")
}

async fn check(cases: &[(&str, &str)]) {
    let sample = Sample::full().await;
    for (statement, expected) in cases {
        assert_eq!(answer(&sample, statement).await, *expected, "{statement}");
    }
}

#[tokio::test]
async fn counts_and_sums_are_of_all_files() {
    check(&[
        ("select count(*) from events", "8"),
        ("select count(*), count(distinct sequence) from quarantine", "4|4"),
        ("select count(*) from identity", "5"),
        ("select count(*) from profiles", "6"),
        ("select sum(revenue), min(revenue), max(revenue) from events", "85.0|12.5|30.0"),
        ("select type, count(*) from events group by type order by type", "identify|2\npage|2\ntrack|4"),
        ("select traits from events where user_id = 'jané' limit 1", r#"{"name":"Jané Ω","note":null}"#),
        ("select bytes from quarantine where reason = 'not_utf8' limit 1", "ff00"),
        ("select 1 where exists (select 1 from events where type = 'screen')", ""),
    ])
    .await;
}

#[tokio::test]
async fn filters_on_date_and_moment_choose_the_same_rows() {
    check(&[
        ("select date, count(*) from events group by date order by date", "2026-01-30|4\n2026-01-31|4"),
        ("select count(*) from events where date = '2026-01-31'", "4"),
        ("select count(*) from events where date > date '2026-01-30'", "4"),
        ("select count(*) from events where date between '2026-02-01' and '2026-03-01'", "0"),
        ("select count(*) from events where received_at >= '2026-01-31T00:00:00Z'", "4"),
        ("select count(*) from events where received_at < timestamp '2026-01-30 10:00:00'", "1"),
        ("select min(received_at), max(received_at) from events", "2026-01-30T09:00:00Z|2026-01-31T12:00:00Z"),
        ("select count(*) from events where event is null and date = '2026-01-30'", "2"),
        ("select count(*) from events where user_id >= 'jane' and user_id < 'janf'", "2"),
        ("select max(revenue) from events where revenue > 20 and date = '2026-01-30'", "30.0"),
    ])
    .await;
}

#[tokio::test]
async fn json_functions_read_what_is_there_and_null_what_is_not() {
    let of_order = |call: &str| format!("select {call} from events where user_id = 'jane' and date = '2026-01-30'");
    let sample = Sample::full().await;
    for (call, expected) in [
        ("json_get_str(properties, 'cart.id')", "c1"),
        ("json_get_str(properties, 'cart.items.0.sku')", "a"),
        ("json_get_int(properties, 'cart.items.0.n')", "2"),
        ("json_get_int(properties, 'big')", "9007199254740993"),
        ("json_get_float(properties, 'revenue')", "12.5"),
        ("json_get_str(properties, 'revenue')", "12.5"),
        ("json_get_int(properties, 'cart.items.7.n')", ""),
        ("json_get_int(properties, 'currency')", ""),
        ("json_get_str(properties, 'nothing.at.all')", ""),
        ("json_get_str(properties, '')", ""),
        ("json_get_str(traits, 'plan')", ""),
        ("json_get_str('not json', 'plan')", ""),
        ("json_get_str('{\"a\": 1}', 'a')", "1"),
    ] {
        assert_eq!(answer(&sample, &of_order(call)).await, expected, "{call}");
    }
    let with_column_as_path = answer(&sample, "select json_get_str(properties, event) from events").await;
    assert!(with_column_as_path.contains("a constant path such as 'cart.id'"), "{with_column_as_path}");
}

#[tokio::test]
async fn canonical_maps_every_profile_to_its_person() {
    let (kept, merged) = (profile(0).min(profile(2)), profile(0).max(profile(2)));
    check(&[
        ("select count(*), count(distinct canonical_id) from canonical", "3|2"),
        (&format!("select canonical_id from canonical where profile_id = '{merged}'"), &kept.to_string()),
        (
            "select c.canonical_id is not null, count(*), sum(e.revenue) from events e \
             join canonical c on c.profile_id = e.profile_id group by 1",
            "true|6|85.0",
        ),
    ])
    .await;
}

#[tokio::test]
async fn people_are_the_newest_rows_of_those_who_were_not_merged_away() {
    check(&[
        ("select count(*), min(events), max(events) from people", "2|2|2"),
        ("select count(*) from people where last_seen >= '2026-01-31'", "2"),
        ("select distinct json_get_str(traits, 'plan.value') from people", "pro"),
    ])
    .await;
}

#[tokio::test]
async fn what_would_write_is_refused_and_says_so() {
    let sample = Sample::full().await;
    for statement in [
        "insert into events select * from events",
        "delete from events",
        "update events set user_id = 'x'",
        "create table t as select 1",
        "create view v as select 1",
        "create external table t stored as csv location '/etc/passwd'",
        "drop table events",
        "copy (select 1) to '/tmp/copied.csv'",
        "set datafusion.execution.batch_size = 1",
    ] {
        let answer = answer(&sample, statement).await;
        assert_eq!(answer, "error: the tables can be read, not written: ask one SELECT", "{statement}");
    }
    assert_eq!(answer(&sample, "select count(*) from events").await, "8");
}

#[tokio::test]
async fn a_mistake_is_answered_in_one_line_that_names_it() {
    let sample = Sample::empty();
    for (statement, named) in [
        ("select revenu from events", "revenu"),
        ("select * from event", "no table `event`; there are events, "),
        ("with w as (select 1) select * from w join evens on true", "no table `evens`"),
        ("select nope from generate_series(1, 3)", "nope"),
        ("selct 1", "selct"),
        ("select nothing(1)", "nothing"),
        ("select cast('x' as int)", "x"),
        ("", "there is no statement: ask one select"),
        ("select 1; select 2", "several statements: ask one select at a time"),
        ("select traits->>'plan' from events", "no operator ->> here; json text is read by json_get_str(traits,"),
        ("select traits->'plan' from events", "no operator -> here"),
        ("select json_extract(traits, '$.plan') from events", "no function json_extract; json text is read by"),
        ("select traits['plan'] from events", "text has no fields; json text is read by"),
    ] {
        let answer = answer(&sample, statement).await;
        assert!(answer.starts_with("error: ") && answer.to_lowercase().contains(named), "{statement}: {answer}");
        assert_eq!(answer.lines().count(), 1, "{statement}: {answer}");
    }
}

#[tokio::test]
async fn each_statement_sees_what_was_committed_before_it() {
    let sample = Sample::empty();
    let query = sample.query();
    let mut counted = Vec::new();
    for (plan, day) in (1..).zip(DAYS) {
        sample.commit(TableName::Events, plan, day, &rows(TableName::Events, plan as i64 - 1)).await;
        let (_, answer) = query.sql("select user_id from events").await.expect("a sound statement");
        counted.push(answer.iter().map(|batch| batch.num_rows()).sum::<usize>());
    }
    assert_eq!(counted, [4, 8]);
}

#[tokio::test]
async fn what_was_put_and_not_committed_is_not_seen() {
    use cdp_ports::Landing;
    let sample = Sample::full().await;
    let put = sample
        .lake
        .put(TableName::Events, DAYS[0], "orphan", &mut std::iter::once(Ok(rows(TableName::Events, 0))))
        .await;
    put.expect("a writable folder");
    assert_eq!(answer(&sample, "select count(*) from events").await, "8");
}

#[tokio::test]
async fn an_empty_lake_has_all_tables_and_views_and_no_rows() {
    let sample = Sample::empty();
    for name in ["events", "quarantine", "identity", "profiles", "canonical", "people"] {
        assert_eq!(answer(&sample, &format!("select count(*) from {name}")).await, "0", "{name}");
    }
}

#[tokio::test]
async fn names_are_found_wherever_a_statement_has_them() {
    check(&[
        ("select count(*) from cdp.public.events", "8"),
        ("select count(*) from Events", "8"),
        ("with e as (select * from events) select count(*) from e", "8"),
        ("with events as (select 1 as one) select one from events", "1"),
        ("select (select count(*) from quarantine)", "4"),
        ("select count(*) from people p where exists (select 1 from events e where e.profile_id = p.profile_id)", "2"),
        (
            "select table_name from information_schema.tables where table_schema = 'public' order by table_name",
            "canonical\nevents\nidentity\npeople\nprofiles\nquarantine",
        ),
        ("select count(*) > 30 from information_schema.columns where table_name = 'events'", "true"),
    ])
    .await;
}
