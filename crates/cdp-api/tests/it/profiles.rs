//! One person at a time, as clients see it.

use axum::http::StatusCode;
use serde_json::json;

use crate::people::{People, READER, people};

/// Jane came in by a phone, then by a laptop that she logged in on; Joe uses the laptop too. Jane was called jane0 once.
const STORY: [&str; 6] = [
    r#"{"type":"identify","messageId":"m1","userId":"jane","anonymousId":"phone","traits":{"email":"Jane@X.org","plan":"free","age":30}}"#,
    r#"{"type":"track","messageId":"m2","event":"Product Viewed","anonymousId":"laptop","properties":{"sku":"A-1","price":1.0e2}}"#,
    r#"{"type":"identify","messageId":"m3","userId":"jane","anonymousId":"laptop","traits":{"plan":"paid","address":{"city":"Bern"}}}"#,
    r#"{"type":"alias","messageId":"m4","userId":"jane","previousId":"jane0"}"#,
    r#"{"type":"page","messageId":"m5","name":"Home","userId":"joe","anonymousId":"laptop"}"#,
    r#"{"type":"track","messageId":"m6","event":"Order Completed","userId":"jane0"}"#,
];

async fn story() -> People {
    people(&STORY).await
}

#[tokio::test]
async fn every_identifier_of_a_person_leads_to_one_profile() {
    let people = story().await;
    let jane = people.read("/v1/profiles/user_id:jane").await;
    let id = jane["id"].as_str().expect("an id").to_owned();
    assert!(id.starts_with("prf_"), "{id}");
    let members = people.read("/v1/profiles/user_id:jane?include=members").await;
    let laptop = members["members"][1]["id"].as_str().expect("the laptop's own profile").to_owned();
    for name in ["user_id:jane0", "anonymous_id:phone", "anonymous_id:laptop", "email:JANE%40x.org", &id, &laptop] {
        assert_eq!(people.read(&format!("/v1/profiles/{name}")).await, jane, "{name}");
    }
    assert_ne!(people.read("/v1/profiles/user_id:joe").await["id"], jane["id"]);
}

#[tokio::test]
async fn a_profile_is_whole() {
    let mut jane = story().await.read("/v1/profiles/user_id:jane").await;
    let id = jane["id"].take();
    for identifier in jane["identifiers"].as_array_mut().expect("a list") {
        identifier["profile"].take();
    }
    let held = |namespace: &str, value: &str, at: &str| json!({"namespace": namespace, "value": value, "profile": null, "claimed_at": at, "source": "web"});
    let set = |value: serde_json::Value, at: &str, message: &str| json!({"value": value, "updated_at": at, "source": "web", "message_id": message});
    let [first, second, third, fourth, last] =
        ["00", "01", "02", "03", "05"].map(|second| format!("2027-01-15T08:00:{second}.000Z"));
    let recent = |kind: &str, at: &str, message: &str| json!({"type": kind, "timestamp": at, "message_id": message, "source": "web"});
    let mut ordered = recent("track", &last, "m6");
    ordered["event"] = json!("Order Completed");
    let mut viewed = recent("track", &second, "m2");
    viewed["event"] = json!("Product Viewed");
    viewed["properties"] = json!({"sku": "A-1", "price": 1.0e2});
    assert_eq!(
        jane,
        json!({
            "id": null,
            "canonical": true,
            "traits": {
                "address": set(json!({"city": "Bern"}), &third, "m3"),
                "age": set(json!(30), &first, "m1"),
                "email": set(json!("Jane@X.org"), &first, "m1"),
                "plan": set(json!("paid"), &third, "m3"),
            },
            "identifiers": [
                held("user_id", "jane", &first),
                held("email", "jane@x.org", &first),
                held("anonymous_id", "phone", &first),
                held("anonymous_id", "laptop", &second),
                held("user_id", "jane0", &fourth),
            ],
            "audiences": [],
            "first_seen": first,
            "last_seen": last,
            "created_at": first,
            "events": {
                "total": 5,
                "by_name": {"Order Completed": 1, "Product Viewed": 1, "alias": 1, "identify": 2},
            },
            "recent_events": [ordered, recent("alias", &fourth, "m4"), recent("identify", &third, "m3"), viewed, recent("identify", &first, "m1")],
        }),
        "{id}"
    );
}

#[tokio::test]
async fn members_and_edges_are_shown_on_request() {
    let people = story().await;
    let jane = people.read("/v1/profiles/user_id:jane?include=members,edges").await;
    let (members, edges) = (&jane["members"], &jane["edges"]);
    assert_eq!((&members[0]["id"], &members[0]["events"]["total"]), (&jane["id"], &json!(4)));
    assert_eq!(members[1]["events"], json!({"total": 1, "by_name": {"Product Viewed": 1}}));
    assert_eq!((&edges[0]["kind"], &edges[0]["through"]), (&json!("shared"), &json!("anonymous_id:laptop")));
    assert_eq!((&edges[0]["one"], &edges[0]["other"]), (&members[0]["id"], &members[1]["id"]));
    assert_eq!(edges.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_copy_is_good_until_the_person_changes() {
    let people = story().await;
    let path = "/v1/profiles/anonymous_id:laptop";
    let answer = people.get(path, &[READER]).await;
    let tag = answer.header("etag").to_owned();
    assert_eq!(answer.header("cache-control"), "private, no-cache");
    assert!(tag.starts_with("\"prf_") && !answer.body.is_empty(), "{tag}");

    let again = people.get(path, &[READER, ("if-none-match", &tag)]).await;
    assert_eq!((again.status, again.header("etag")), (StatusCode::NOT_MODIFIED, tag.as_str()));
    assert!(again.body.is_empty());

    // Somebody else's event leaves it; an event, a repeated message and a new identifier do not.
    let mut known = tag;
    for (event, changes) in [
        (r#"{"type":"track","messageId":"m7","event":"Seen","userId":"joe"}"#, false),
        (r#"{"type":"track","messageId":"m8","event":"Seen","anonymousId":"phone"}"#, true),
        (r#"{"type":"track","messageId":"m9","event":"Seen","userId":"jane","anonymousId":"tv"}"#, true),
    ] {
        people.take_in(&[event]).await;
        let answer = people.get(path, &[READER, ("if-none-match", &known)]).await;
        assert_eq!(answer.status == StatusCode::OK, changes, "{event}");
        known = answer.header("etag").to_owned();
    }
}

#[tokio::test]
async fn who_may_not_ask_is_told_why() {
    let people = story().await;
    for (headers, status, code) in [
        (&[][..], StatusCode::UNAUTHORIZED, "authentication_error"),
        (&[("authorization", "Bearer who")], StatusCode::UNAUTHORIZED, "authentication_error"),
        (&[("authorization", "Basic !")], StatusCode::UNAUTHORIZED, "authentication_error"),
        (&[("authorization", "Bearer nobody")], StatusCode::FORBIDDEN, "forbidden"),
        (&[("authorization", "Bearer root")], StatusCode::OK, ""),
        (&[("authorization", "Basic cmVhZGVyOg==")], StatusCode::OK, ""),
    ] {
        for path in ["/v1/profiles/user_id:jane", "/v1/spaces/s/collections/users/profiles/user_id:jane/traits"] {
            let answer = people.get(path, headers).await;
            assert_eq!(
                (answer.status, answer.json()["error"]["code"].as_str().unwrap_or("")),
                (status, code),
                "{headers:?}"
            );
            assert_eq!(answer.headers.contains_key("www-authenticate"), status == StatusCode::UNAUTHORIZED);
        }
    }
}

#[tokio::test]
async fn what_can_not_be_answered_is_told_in_segments_form() {
    let people = story().await;
    let part = |rest: &str| format!("/v1/spaces/s/collections/users/profiles/user_id:jane/{rest}");
    let long = format!("/v1/profiles/user_id:{}", "x".repeat(501));
    for (path, status, code, says) in [
        ("/v1/profiles/user_id:nobody", 404, "not_found", "Profile was not found."),
        ("/v1/profiles/prf_00000000000000000000000000", 404, "not_found", "not found"),
        ("/v1/profiles/jane", 400, "validation_error", "NAMESPACE:VALUE"),
        ("/v1/profiles/User:jane", 400, "validation_error", "namespace"),
        ("/v1/profiles/user_id:", 400, "validation_error", "empty"),
        ("/v1/profiles/user_id:%00", 400, "validation_error", "control character"),
        ("/v1/profiles/user_id:%ff", 400, "validation_error", "UTF-8"),
        ("/v1/profiles/prf_short", 400, "validation_error", "not a profile id"),
        (&long, 400, "validation_error", "501 bytes"),
        ("/v1/profiles/user_id:jane?include=secrets", 400, "invalid_request_error", "members"),
        ("/v1/spaces/s/collections/accounts/profiles/group_id:1/traits", 404, "not_found", "not found"),
        ("/v1/spaces/s/collections/u!/profiles/user_id:jane/traits", 400, "validation_error", "collection"),
        (&part("traits?limit=0"), 400, "invalid_request_error", "between 1 and 200"),
        (
            &part("traits?limit=many"),
            400,
            "invalid_request_error",
            "`limit` takes a number between 1 and 200, not \"many\"",
        ),
        (&part("traits?limit="), 400, "invalid_request_error", "`limit` takes a number between 1 and 200, not \"\""),
        (&part("traits?limit=-1"), 400, "invalid_request_error", "`limit` takes a number between 1 and 200"),
        (&part("traits?limit=1&limit=2"), 400, "invalid_request_error", "`limit` is there twice"),
        (&part("traits?verbose=maybe"), 400, "invalid_request_error", "`verbose` takes `true` or `false`"),
        (&part("traits?class=other"), 400, "invalid_request_error", "`class` takes `audience` or `computed_trait`"),
        (&part("external_ids?verbose=maybe"), 400, "invalid_request_error", "`verbose` takes `true` or `false`"),
        (&part("external_ids?limit=101"), 400, "invalid_request_error", "between 1 and 100"),
        (&part("external_ids?next=%21"), 400, "invalid_request_error", "cursor"),
        (&part("events?next=bm9wZQ"), 400, "invalid_request_error", "cursor"),
        (&part("events?sort=up"), 400, "invalid_request_error", "`sort` takes `asc` or `desc`, not \"up\""),
        (&part("events?limit=x"), 400, "invalid_request_error", "`limit` takes a number between 1 and 100"),
        (&part("events?start=yesterday"), 400, "invalid_request_error", "`start` is not a time"),
        (&part("events?end=9999-12-31"), 400, "invalid_request_error", "`end` is out of range"),
        (&part("links?limit=21"), 400, "invalid_request_error", "between 1 and 20"),
        (&part("links?limit=x"), 400, "invalid_request_error", "`limit` takes a number between 1 and 20"),
    ] {
        let answer = people.get(path, &[READER]).await;
        let error = &answer.json()["error"];
        assert_eq!((answer.status.as_u16(), error["code"].as_str()), (status, Some(code)), "{path}: {error}");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(says)), "{path}: {error}");
    }
}

#[tokio::test]
async fn paths_and_methods_that_there_are_not_are_told_in_segments_form() {
    let people = story().await;
    let of_jane = "/v1/spaces/s/collections/users/profiles/user_id:jane";
    for (method, path, status, code) in [
        ("GET", "/v1/profiles", 404, "not_found"),
        ("GET", "/v1/profiles/", 404, "not_found"),
        ("GET", "/v1/profiles/user_id:jane/", 404, "not_found"),
        ("GET", "/v1/profiles/user_id:jane/nosuch", 404, "not_found"),
        ("POST", "/v1/profiles/user_id:jane/nosuch", 404, "not_found"),
        ("GET", "/v1/spaces/s", 404, "not_found"),
        ("GET", of_jane, 404, "not_found"),
        ("GET", &format!("{of_jane}/nosuch"), 404, "not_found"),
        ("POST", "/v1/profiles/user_id:jane", 405, "invalid_request_error"),
        ("DELETE", &format!("{of_jane}/traits"), 405, "invalid_request_error"),
    ] {
        let answer = people.call(method, path, &[READER, ("x-request-id", "r-1")], "{}").await;
        assert_eq!((answer.status.as_u16(), answer.error_code().as_str()), (status, code), "{method} {path}");
        let message = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(path), "{method} {path}: {message}");
        assert_eq!(answer.header("allow"), if status == 405 { "GET,HEAD" } else { "" }, "{method} {path}");
        assert_eq!((answer.header("x-request-id"), answer.header("request-id")), ("r-1", "r-1"), "{method} {path}");
    }
    let stranger = people.call("POST", "/v1/profiles/user_id:jane", &[], "{}").await;
    assert_eq!(stranger.error_code(), "authentication_error");
}

#[tokio::test]
async fn who_asks_too_fast_is_told_when_to_come_back() {
    let people = story().await;
    let slow = ("authorization", "Bearer slow");
    let path = "/v1/profiles/user_id:jane";
    for (path, status, left) in [(path, 200, "1"), ("/v1/profiles/user_id:nobody", 404, "0")] {
        let answer = people.get(path, &[slow]).await;
        let told = (answer.header("x-ratelimit-limit"), answer.header("x-ratelimit-remaining"));
        assert_eq!((answer.status.as_u16(), told), (status, ("2", left)), "{path}");
        assert!(!answer.headers.contains_key("retry-after"));
    }
    let answer = people.get(path, &[slow]).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.json()["error"]["code"], "rate_limit_error");
    for (header, expected) in
        [("retry-after", "1"), ("x-ratelimit-reset", "1"), ("x-ratelimit-limit", "2"), ("x-ratelimit-remaining", "0")]
    {
        assert_eq!(answer.header(header), expected, "{header}");
    }
    assert_eq!(people.get(path, &[READER]).await.status, StatusCode::OK, "others are not slowed");
    people.clock.advance_ms(1000);
    assert_eq!(people.get(path, &[slow]).await.status, StatusCode::OK, "it may ask again");
}

#[tokio::test]
async fn every_answer_names_its_request_in_both_ways() {
    let people = story().await;
    for headers in [&[READER, ("x-request-id", "r-1")][..], &[("x-request-id", "r-1")]] {
        let answer = people.get("/v1/profiles/user_id:jane", headers).await;
        assert_eq!((answer.header("x-request-id"), answer.header("request-id")), ("r-1", "r-1"));
    }
}
