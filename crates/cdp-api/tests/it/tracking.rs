//! Segment's tracking API.

use cdp_api::Limits;
use cdp_event::{EventKind, Parts, Timestamp, decode, validate};
use cdp_ports::FaultKind;
use serde_json::json;

use crate::front::{Front, NOW, WEB, front, front_with, gzip};

const EVENT: &str = r#"{"anonymousId":"a1","event":"Seen","properties":{"n":1.50}}"#;

#[tokio::test]
async fn each_call_has_its_paths() {
    for (paths, kind) in [
        (["/v1/track", "/v1/t"], EventKind::Track),
        (["/v1/identify", "/v1/i"], EventKind::Identify),
        (["/v1/page", "/v1/p"], EventKind::Page),
        (["/v1/screen", "/v1/s"], EventKind::Screen),
        (["/v1/group", "/v1/g"], EventKind::Group),
        (["/v1/alias", "/v1/a"], EventKind::Alias),
    ] {
        for path in paths {
            let front = front();
            let answer = front.post(path, &[WEB], EVENT).await;
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &br#"{"success":true}"#[..]), "{path}");
            let [(key, envelope, event)] = &front.kept().await[..] else { panic!("{path}: one record") };
            assert_eq!((key.as_str(), event.as_str(), envelope.kind), ("a1", EVENT, Some(kind)), "{path}");
            assert_eq!((envelope.source.as_str(), envelope.received_at, envelope.sent_at), ("web", NOW, None));
        }
    }
}

#[tokio::test]
async fn a_batch_keeps_each_event_as_it_was_sent() {
    for path in ["/v1/batch", "/v1/import", "/v1/b"] {
        let front = front();
        let events = [r#"{"type":"track","userId":"u", "n":1e400}"#, r#"{"type":"page","userId":"u"}"#, "[]"];
        let body = format!(
            r#"{{"batch":[{}],"context":{{"ip":"::1"}},"sentAt":"2027-01-15T08:00:00.000Z","writeKey":"key"}}"#,
            events.join(",\n")
        );
        assert_eq!(front.post(path, &[], body).await.status, 200, "{path}");
        let kept = front.kept().await;
        let of_user: Vec<_> = kept.iter().filter(|(key, ..)| key == "u").map(|(.., event)| event.as_str()).collect();
        assert_eq!((kept.len(), of_user), (3, events[..2].to_vec()), "one user's events keep their order");
        for (_, envelope, _) in kept {
            assert_eq!(envelope.context.as_deref(), Some(r#"{"ip":"::1"}"#));
            assert_eq!((envelope.sent_at, envelope.kind), (Some(Timestamp::from_ms(1_800_000_000_000)), None));
        }
    }
}

#[tokio::test]
async fn a_write_key_says_who_sends() {
    let in_body = |key: &str| format!(r#"{{"userId":"u","event":"E","writeKey":"{key}"}}"#);
    for (header, body, expected) in [
        ("Basic a2V5Og==", in_body("key"), "200 "),
        ("Basic a2V5", in_body("unknown"), "200 "),
        ("Basic dW5rbm93bjo=", in_body("key"), "200 "),
        ("Bearer an.oauth.token", in_body("key"), "200 "),
        ("Bearer key", "{}".into(), "200 "),
        ("", in_body("key"), "200 "),
        ("Basic dW5rbm93bjo=", "{}".into(), "401 unknown_write_key"),
        ("Basic !", "{}".into(), "401 no_write_key"),
        ("", in_body("unknown"), "401 unknown_write_key"),
        ("", in_body(""), "401 no_write_key"),
        ("", "{}".into(), "401 no_write_key"),
    ] {
        let answer = front().post("/v1/track", &[("authorization", header)], body.clone()).await;
        assert_eq!(format!("{} {}", answer.status.as_u16(), answer.code()), expected, "{header} {body}");
    }
}

#[tokio::test]
async fn bodies_are_json_whatever_their_label() {
    let batch = format!(r#"{{"batch":[{EVENT}]}}"#);
    for (content_type, encoding, body) in [
        ("application/json", "", batch.as_bytes().to_vec()),
        ("text/plain", "", batch.as_bytes().to_vec()),
        ("application/x-www-form-urlencoded", "gzip", gzip(batch.as_bytes())),
        ("application/json", "gzip", batch.as_bytes().to_vec()),
        ("application/json", "", gzip(batch.as_bytes())),
        ("application/json", "", [b"\xef\xbb\xbf", batch.as_bytes()].concat()),
    ] {
        let front = front();
        let headers = [WEB, ("content-type", content_type), ("content-encoding", encoding)];
        assert_eq!(front.post("/v1/batch", &headers, body).await.status, 200, "{content_type} {encoding}");
        assert_eq!(front.kept().await.len(), 1);
    }
}

#[tokio::test]
async fn whoever_asks_gets_a_verdict_for_each_event() {
    let body = r#"{"batch":[{"type":"track","userId":"u","event":"E"},{"type":"track","userId":"u"},{"type":"page"}]}"#;
    let front = front();
    for (path, headers) in
        [("/v1/batch?verdicts=true", vec![WEB]), ("/v1/batch", vec![WEB, ("x-cdp-verdicts", "true")])]
    {
        let verdicts = front.post(path, &headers, body).await.json()["verdicts"].clone();
        assert_eq!(verdicts[0], json!({"status": "accepted"}));
        let refused =
            |at: usize| (verdicts[at]["status"].clone(), verdicts[at]["code"].clone(), verdicts[at]["field"].clone());
        assert_eq!(refused(1), (json!("refused"), json!("missing_event"), json!("event")));
        assert_eq!(refused(2), (json!("refused"), json!("no_identifier"), json!("userId")));
        assert!(verdicts[2]["message"].is_string() && verdicts[2]["remedy"].is_string());
    }
    assert_eq!(front.kept().await.len(), 6, "refused events go on to quarantine");
}

#[tokio::test]
async fn verdicts_are_asked_for_by_true_and_by_no_other_word() {
    let body = r#"{"batch":[{"type":"track","userId":"u","event":"E"}]}"#;
    let front = front();
    for query in ["verdicts=yes", "verdicts=1", "verdicts", "a=b&verdicts=", "verdicts=true&verdicts=yes"] {
        let answer = front.post(&format!("/v1/batch?{query}"), &[WEB], body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "bad_field"), "{query}");
        let says = "`verdicts` is neither `true` nor `false`";
        assert!(answer.json()["message"].as_str().is_some_and(|told| told.starts_with(says)), "{query}");
    }
    let answer = front.post("/v1/batch", &[WEB, ("x-cdp-verdicts", "yes")], body).await;
    assert_eq!(answer.code(), "bad_field");
    assert_eq!(front.kept().await.len(), 0);
    let answer = front.post("/v1/batch?verdicts=false", &[WEB], body).await;
    assert_eq!(answer.json(), json!({"success": true}));
}

fn event_of(bytes: usize) -> String {
    let around = r#"{"type":"track","userId":"u","event":""}"#.len();
    format!(r#"{{"type":"track","userId":"u","event":"{}"}}"#, "x".repeat(bytes - around))
}

#[tokio::test]
async fn an_oversize_event_that_comes_alone_is_refused_and_nothing_is_kept() {
    let front = front();
    for bytes in [(32 << 10) + 1, 2 << 20] {
        let answer = front.post("/v1/track", &[WEB], event_of(bytes)).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "event_too_large"), "{bytes}");
        assert!(answer.json()["message"].as_str().is_some_and(|told| told.contains("at most 32768")), "{bytes}");
    }
    assert_eq!(front.kept().await.len(), 0);
    assert_eq!(front.post("/v1/track", &[WEB], event_of(32 << 10)).await.status, 200);
}

/// What decoding and validation say of each record: `accepted`, or why not, and how many bytes are kept.
async fn judged(front: &Front) -> Vec<(String, usize)> {
    let mut judged = Vec::new();
    for record in front.stream.all().await {
        for part in decode(&record, &Parts::of(&record), "") {
            assert_eq!(part.source, "web");
            let said = match part.event.and_then(|raw| validate(&raw).map(drop)) {
                Ok(()) => "accepted".to_owned(),
                Err(rejection) => format!("{}: {}", rejection.reason.as_str(), rejection.detail),
            };
            judged.push((said, part.bytes.len()));
        }
    }
    judged.sort();
    judged
}

#[tokio::test]
async fn an_oversize_event_in_a_batch_harms_no_other_and_is_kept() {
    let good = event_of(100);
    for bytes in [33 << 10, 1 << 20, 3 << 20] {
        let front = front();
        let body = format!(r#"{{"batch":[{good},{},{good}]}}"#, event_of(bytes));
        let answer = front.post("/v1/batch?verdicts=true", &[WEB], body).await;
        assert_eq!(answer.status, 200, "{bytes}");
        let verdicts = &answer.json()["verdicts"];
        let statuses = [0, 1, 2].map(|at| verdicts[at]["status"].as_str().unwrap_or("").to_owned());
        assert_eq!(statuses, ["accepted", "refused", "accepted"]);
        assert_eq!(verdicts[1]["code"], "too_large");

        let [first, second, (said, kept)] = &judged(&front).await[..] else { panic!("three records") };
        assert_eq!((first, second), (&("accepted".to_owned(), 100), &("accepted".to_owned(), 100)));
        if bytes < 1 << 20 {
            assert_eq!((said.as_str(), *kept), (format!("too_large: the event has {bytes} bytes").as_str(), bytes));
        } else {
            assert!((1_000_000..1 << 20).contains(kept), "{kept}");
            let expected = format!("too_large: the event has {bytes} bytes; the first {kept} are kept");
            assert_eq!(said, &expected);
        }
        let largest = front.stream.all().await.iter().map(|r| r.partition_key.len() + r.data.len()).max();
        assert!(largest <= Some(Limits::default().record_bytes), "{largest:?}");
    }
}

#[tokio::test]
async fn what_a_batch_shares_is_bounded() {
    let limits = Limits { shared_bytes: 100, ..Limits::default() };
    let batch = |context: usize, events: usize| {
        let context = format!(r#"{{"x":"{}"}}"#, "x".repeat(context - 8));
        format!(r#"{{"batch":[{}],"context":{context}}}"#, vec![EVENT; events].join(","))
    };
    for (limits, context, events, status) in [
        (limits, 50, 2, 200),
        (limits, 50, 3, 400),
        (Limits::default(), 32 << 10, 1, 200),
        (Limits::default(), (32 << 10) + 1, 1, 400),
        (Limits::default(), 32 << 10, 2000, 400),
    ] {
        let front = front_with(limits, vec![]);
        let answer = front.post("/v1/batch", &[WEB], batch(context, events)).await;
        let code = if status == 200 { "" } else { "bad_field" };
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{context} {events}");
        assert_eq!(front.kept().await.len(), if status == 200 { events } else { 0 });
    }
}

#[tokio::test]
async fn a_batch_has_a_limit_that_is_named() {
    let front =
        front_with(Limits { batch_events: 2, request_bytes: 1000, inflated_bytes: 2000, ..Limits::default() }, vec![]);
    let events = |count| format!(r#"{{"batch":[{}]}}"#, vec!["{}"; count].join(","));
    let padded = |bytes| format!(r#"{{"batch":[],"x":"{}"}}"#, "x".repeat(bytes));
    for (body, status, code, names) in [
        (events(2).into_bytes(), 200, "", ""),
        (events(0).into_bytes(), 200, "", ""),
        (events(3).into_bytes(), 400, "too_many_events", "at most 2"),
        (padded(1000).into_bytes(), 400, "request_too_large", "1000 bytes"),
        (gzip(padded(1900).as_bytes()), 200, "", ""),
        (gzip(padded(2000).as_bytes()), 400, "inflated_too_large", "2000 bytes"),
    ] {
        let answer = front.post("/v1/batch", &[WEB], body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code));
        assert!(answer.json()["message"].as_str().unwrap_or("").contains(names), "{names}");
    }
}

#[tokio::test]
async fn a_fault_of_the_stream_tells_the_sdk_whether_to_try_again() {
    for (fault, status, retry_after) in [
        (FaultKind::Busy, 429, "3"),
        (FaultKind::Broken, 503, "1"),
        (FaultKind::Missing, 503, "1"),
        (FaultKind::Stale, 503, "1"),
        (FaultKind::Refused, 400, ""),
    ] {
        let front = front();
        front.stream.fail(fault);
        let answer = front.post("/v1/track", &[WEB], EVENT).await;
        let told = (answer.status.as_u16(), answer.header("retry-after"), answer.header("x-ratelimit-reset"));
        assert_eq!(told, (status, retry_after, retry_after), "{fault:?}");
        assert!(!answer.code().is_empty() && front.kept().await.is_empty());
    }
}

#[tokio::test]
async fn a_source_over_its_rate_waits_and_others_do_not() {
    let front = front();
    let batch = format!(r#"{{"batch":[{}]}}"#, [EVENT; 10].join(","));
    let slow = ("authorization", "Bearer slow");
    assert_eq!(front.post("/v1/batch", &[slow], batch.clone()).await.status, 200);
    let refused = front.post("/v1/batch", &[slow], batch.clone()).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code().as_str(), refused.header("retry-after")),
        (429, "too_fast", "1")
    );
    assert_eq!(front.post("/v1/batch", &[WEB], batch.clone()).await.status, 200);
    front.clock.advance_ms(1000);
    assert_eq!(front.post("/v1/batch", &[slow], batch).await.status, 200);
}

#[tokio::test]
async fn a_browser_may_send_from_any_page() {
    let front = front();
    let asks = [
        ("origin", "https://shop.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    for path in ["/v1/t", "/v1/batch", "/v1/m", "/v1/projects/key/settings"] {
        let preflight = front.call("OPTIONS", path, &asks, "").await;
        assert_eq!(preflight.status, 200, "{path}");
        assert_eq!(preflight.header("access-control-allow-origin"), "*");
        assert_eq!(preflight.header("access-control-allow-headers"), "authorization,content-type");
        assert!(preflight.header("access-control-allow-methods").contains("POST"));
    }
    let refused = front.post("/v1/t", &[("origin", "https://shop.example")], "{}").await;
    assert_eq!((refused.status.as_u16(), refused.header("access-control-allow-origin")), (401, "*"));
    assert!(refused.header("access-control-expose-headers").contains("retry-after"));
    assert_eq!(front.post("/v1/m", &[], r#"{"series":[]}"#).await.status, 200);
}

#[tokio::test]
async fn settings_send_an_sdk_back_to_this_host() {
    let front = front();
    let path = "/v1/projects/key/settings";
    for (headers, expected) in [
        (vec![("host", "cdp.example:8080")], ("cdp.example:8080/v1", "http")),
        (vec![("host", "cdp.example"), ("x-forwarded-proto", "https")], ("cdp.example/v1", "https")),
    ] {
        let settings = front.call("GET", path, &headers, "").await.json();
        let segment = &settings["integrations"]["Segment.io"];
        assert_eq!((&segment["apiHost"], &segment["protocol"]), (&json!(expected.0), &json!(expected.1)));
        assert_eq!(segment["apiKey"], "key");
    }
    assert_eq!(front.call("GET", "/v1/projects/other/settings", &[], "").await.status, 401);
}
