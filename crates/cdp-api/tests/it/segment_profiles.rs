//! Segment's Profile API, path by path.

use std::time::Duration;

use cdp_api::profiles::{HistoryFault, PastEvent, RecentEvent};
use cdp_event::EventKind;
use cdp_ports::{FaultKind, PortError};
use serde_json::{Value, json};

use crate::front::NOW;
use crate::people::{People, READER, people};

async fn jane() -> People {
    let events: Vec<String> = (0..3)
        .map(|n| {
            format!(
                r#"{{"type":"track","messageId":"t{n}","event":"E{}","userId":"jane","properties":{{"n":{n}}}}}"#,
                n % 2
            )
        })
        .collect();
    let mut story = vec![
        r#"{"type":"identify","messageId":"i1","userId":"jane","anonymousId":"a+1","traits":{"email":"j@x.org","age":30}}"#,
        r#"{"type":"page","messageId":"p1","name":"Home","userId":"jane","properties":{"path":"/"}}"#,
    ];
    story.extend(events.iter().map(String::as_str));
    let traits: Vec<String> = (0..12).map(|n| format!(r#""t{n:02}":{n}"#)).collect();
    let many = format!(r#"{{"type":"identify","messageId":"i2","userId":"mary","traits":{{{}}}}}"#, traits.join(","));
    story.push(&many);
    people(&story).await
}

fn of(user: &str, rest: &str) -> String {
    format!("/v1/spaces/lg8283283/collections/users/profiles/user_id:{user}/{rest}")
}

fn at(second: u32) -> String {
    format!("2027-01-15T08:00:{second:02}.000Z")
}

#[tokio::test]
async fn traits_are_plain_and_on_request_verbose() {
    let people = jane().await;
    let mut plain = people.read(&of("jane", "traits")).await;
    let url = plain["cursor"]["url"].take();
    assert_eq!(
        plain,
        json!({
            "traits": {"age": 30, "email": "j@x.org"},
            "cursor": {"url": null, "has_more": false, "next": "", "limit": 10},
        })
    );
    let url = url.as_str().expect("a path").to_owned();
    assert!(
        url.starts_with("/v1/spaces/lg8283283/collections/users/profiles/prf_") && url.ends_with("/traits"),
        "{url}"
    );
    assert_eq!(people.read(&url).await["traits"], plain["traits"], "the canonical path leads to the same");

    let verbose = people.read(&of("jane", "traits?verbose=true&include=age,height")).await;
    assert_eq!(verbose["traits"], json!({"age": {"value": 30, "source_id": "web", "updated_at": at(0)}}));
    for class in ["audience", "computed_trait"] {
        assert_eq!(people.read(&of("jane", &format!("traits?class={class}"))).await["traits"], json!({}));
    }
}

#[tokio::test]
async fn traits_come_in_pages_by_name() {
    let people = jane().await;
    let first = people.read(&of("mary", "traits")).await;
    assert_eq!(first["traits"].as_object().map(serde_json::Map::len), Some(10));
    assert_eq!((&first["cursor"]["has_more"], &first["cursor"]["next"]), (&json!(true), &json!("t10")));
    let second = people.read(&of("mary", "traits?next=t10")).await;
    assert_eq!(second["traits"], json!({"t10": 10, "t11": 11}));
    assert_eq!(people.read(&of("mary", "traits?limit=200")).await["cursor"]["has_more"], json!(false));
}

/// All elements of a list, page by page, each told by `name`.
async fn walk(people: &People, list: &str, limit: usize, name: fn(&Value) -> String) -> Vec<String> {
    let (mut names, mut next) = (vec![], String::new());
    loop {
        let mark = if list.contains('?') { '&' } else { '?' };
        let page = people.read(&of("jane", &format!("{list}{mark}limit={limit}&next={next}"))).await;
        let data = page["data"].as_array().expect("a list");
        assert!(data.len() <= limit, "{page}");
        names.extend(data.iter().map(name));
        next = page["cursor"]["next"].as_str().expect("a cursor").to_owned();
        assert_eq!(page["cursor"]["has_more"], json!(!next.is_empty()));
        if next.is_empty() {
            return names;
        }
    }
}

#[tokio::test]
async fn external_ids_have_segments_fields() {
    let people = jane().await;
    let user = people.read(&of("jane", "external_ids?include=user_id&verbose=true")).await;
    assert_eq!(
        user["data"],
        json!([{
            "source_id": "web",
            "collection": "users",
            "id": "jane",
            "type": "user_id",
            "created_at": at(0),
            "encoding": "none",
            "first_message_id": null,
        }])
    );
    let kind = |id: &Value| id["type"].as_str().unwrap_or_default().to_owned();
    for limit in [1, 2, 25] {
        assert_eq!(walk(&people, "external_ids", limit, kind).await, ["anonymous_id", "email", "user_id"]);
    }
    let same = people.read("/v1/spaces/s/collections/users/profiles/anonymous_id:a%2B1/external_ids").await;
    assert_eq!(same["data"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn events_are_filtered_sorted_and_paged() {
    let people = jane().await;
    let id = |event: &Value| event["message_id"].as_str().unwrap_or_default().to_owned();
    let newest = ["t2", "t1", "t0", "p1", "i1"];
    let oldest: Vec<&str> = newest.into_iter().rev().collect();
    for limit in [1, 3, 100] {
        assert_eq!(walk(&people, "events", limit, id).await, newest);
        assert_eq!(walk(&people, "events?sort=asc", limit, id).await, oldest);
        assert_eq!(walk(&people, "events?include=E0", limit, id).await, ["t2", "t0"]);
        assert_eq!(walk(&people, "events?exclude=E0,E1,identify", limit, id).await, ["p1"]);
        let some = format!("events?start={}&end={}", at(3), at(5));
        assert_eq!(walk(&people, &some, limit, id).await, ["t2", "t1"]);
    }
    assert_eq!(walk(&people, "events?end=2027-01-15", 10, id).await, [""; 0]);
    assert_eq!(walk(&people, "events?start=2027-01-15", 10, id).await, newest);
}

/// The profile keeps t0 to t2, p1 and i1; the tables have two of these, and forty older ones.
async fn jane_of_old() -> People {
    let people = jane().await;
    let moment = |minutes: i64| NOW.plus_ms(-minutes * 60_000);
    let past = |id: String, name: &str, timestamp| PastEvent {
        event: RecentEvent {
            timestamp,
            message_id: id.into(),
            kind: EventKind::Track,
            name: Some(name.into()),
            source: "web".into(),
            properties: Some(r#"{"from":"tables"}"#.into()),
        },
        user_id: Some("jane".to_owned()),
        anonymous_id: None,
        context: Some(r#"{"ip":"::1"}"#.to_owned()),
    };
    let kept = (0..2).rev().map(|n: i64| past(format!("t{n}"), &format!("E{}", n % 2), NOW.plus_ms((n + 2) * 1000)));
    let old = (1..=40).map(|n| past(format!("old{n:02}"), "Old", moment(n)));
    let ancient = past("ancient".to_owned(), "Old", moment(15 * 24 * 60));
    *people.tables.events.lock().expect("no test panicked here") = kept.chain(old).chain([ancient]).collect();
    people
}

#[tokio::test]
async fn events_of_the_tables_follow_those_that_a_profile_keeps() {
    let people = jane_of_old().await;
    let id = |event: &Value| event["message_id"].as_str().unwrap_or_default().to_owned();
    let newest = ["t2", "t1", "t0", "p1", "i1"].map(str::to_owned);
    let mut all: Vec<String> = newest.into_iter().chain((1..=40).map(|n| format!("old{n:02}"))).collect();
    for limit in [1, 7, 10, 100] {
        assert_eq!(walk(&people, "events", limit, id).await, all, "{limit} at a time");
    }
    assert_eq!(walk(&people, "events?include=E1", 3, id).await, ["t1"]);
    all.reverse();
    assert_eq!(walk(&people, "events?sort=asc", 9, id).await, all);
    all.insert(0, "ancient".to_owned());
    assert_eq!(walk(&people, "events?sort=asc&start=2020-01-01", 100, id).await, all, "14 days are only the usual");
}

#[tokio::test]
async fn an_event_is_told_of_by_the_tables_once_they_have_it() {
    let people = jane_of_old().await;
    let answer = people.get(&of("jane", "events?limit=2"), &[READER]).await;
    assert!(answer.header("etag").is_empty() && answer.header("cache-control") == "private, no-cache");
    let events = answer.json();
    let (fresh, landed) = (&events["data"][0], &events["data"][1]);
    assert_eq!(
        (&fresh["message_id"], &fresh["external_ids"], &fresh["context"]),
        (&json!("t2"), &json!([]), &json!({}))
    );
    assert_eq!((&landed["message_id"], &landed["context"]), (&json!("t1"), &json!({"ip": "::1"})));
    let external_id = json!({"collection": "users", "type": "user_id", "id": "jane", "encoding": "none"});
    assert_eq!(landed["external_ids"], json!([external_id]));
    assert_eq!(landed["properties"], json!({"from": "tables"}));
}

#[tokio::test]
async fn tables_that_do_not_answer_are_told_with_what_helps() {
    let people = jane().await;
    let port = |kind| PortError::because(kind, "ask", "of Jane: 1 GB");
    let busy = PortError { retry_after: Some(Duration::from_secs(2)), ..port(FaultKind::Busy) };
    let less = "ask for less time with `start` and `end`, or again";
    for (fault, status, code, wait, message) in [
        (
            HistoryFault::Slow { waited: Duration::from_secs(20) },
            504,
            "timeout",
            "60",
            format!("the tables did not answer within 20 s; {less} after 60 s"),
        ),
        (busy.into(), 503, "unavailable", "2", "profiles can't be read just now; ask again after 2 s".to_owned()),
        (
            port(FaultKind::Refused).into(),
            500,
            "internal_error",
            "",
            format!("the events can't be read from the tables; {less} later"),
        ),
    ] {
        *people.tables.fault.lock().expect("no test panicked here") = Some(fault);
        let answer = people.get(&of("jane", "events"), &[READER]).await;
        let told = (answer.status.as_u16(), answer.error_code(), answer.header("retry-after").to_owned());
        assert_eq!(told, (status, code.to_owned(), wait.to_owned()));
        assert_eq!(answer.json()["error"]["message"], json!(message));
    }
}

#[tokio::test]
async fn an_event_has_segments_fields() {
    let people = jane().await;
    let events = people.read(&of("jane", "events?include=E1,Home")).await;
    let root = people.read("/v1/profiles/user_id:jane").await["id"].take();
    assert_eq!(
        events["data"][0],
        json!({
            "external_ids": [],
            "context": {},
            "type": "track",
            "message_id": "t1",
            "source_id": "web",
            "timestamp": at(3),
            "properties": {"n": 1},
            "event": "E1",
            "related": {"users": root},
        })
    );
    let page = &events["data"][1];
    assert_eq!((&page["type"], &page["name"], &page["event"]), (&json!("page"), &json!("Home"), &Value::Null));
}

#[tokio::test]
async fn metadata_and_links_have_segments_fields() {
    let people = jane().await;
    assert_eq!(
        people.read(&of("jane", "metadata")).await,
        json!({"metadata": {
            "created_at": at(0),
            "updated_at": at(4),
            "expires_at": null,
            "first_message_id": "i1",
            "first_source_id": "web",
            "last_message_id": "t2",
            "last_source_id": "web",
        }})
    );
    let links = people.read(&of("jane", "links")).await;
    assert_eq!((&links["data"], &links["cursor"]["limit"]), (&json!([]), &json!(20)));
}
