//! Signed calls of third parties.

use std::collections::VecDeque;

use axum::body::Body;
use bytes::Bytes;
use cdp_api::Limits;
use cdp_event::{Parts, decode, validate};
use cdp_ports::FaultKind;
use cdp_webhooks::Webhook;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::front::{Answer, Front, NOW, front, front_with, gzip};
use crate::quarantine::quarantine;

/// `billing` of Stripe with two secrets, `repo` of GitHub with a mapping for `push` alone, and `own`, which is Segment-shaped.
pub fn webhooks() -> Vec<Webhook> {
    let webhook = |name: &str, settings: &str, secrets: &[&str]| {
        let settings = toml::from_str(settings).expect("settings");
        Webhook::new(name, &settings, secrets.iter().copied()).expect("a sound webhook")
    };
    vec![
        webhook("billing", BILLING, &["old secret", "new secret"]),
        webhook("repo", REPO, &["repo secret"]),
        webhook("own", "scheme = 'generic'\nsignature = { header = 'X-Signature' }", &["own secret"]),
    ]
}

const BILLING: &str = r#"
scheme = "stripe"
[mapping]
email = "data.object.email"
event = { column = "type" }
time = { column = "created", format = "epoch_s" }
properties = ["data.object.note"]
names = { "data.object.note" = "note" }
"#;

const REPO: &str = r#"
scheme = "github"
[mappings.push]
identifiers = { github = "sender.id" }
event = { column = "@headers.x-github-event" }
"#;

const CHARGE: &str = r#"{ "id": "evt_1", "type": "charge.succeeded", "created": 1700000000,
 "data": {"object": {"email": "jane@example.com", "note": "\u00fc"}} }"#;

fn mac(secret: &str, pieces: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    pieces.iter().for_each(|piece| mac.update(piece));
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Signed `ago_s` before now.
fn by_stripe(secret: &str, ago_s: i64, body: &[u8]) -> String {
    let time = (NOW.as_ms() / 1000 - ago_s).to_string();
    format!("t={time},v1={}", mac(secret, &[time.as_bytes(), b".", body]))
}

async fn bill(front: &Front, body: &[u8]) -> Answer {
    let signature = by_stripe("new secret", 0, body);
    front.post("/v1/webhooks/billing", &[("Stripe-Signature", &signature)], body.to_vec()).await
}

#[tokio::test]
async fn a_signed_call_is_an_event_in_the_stream() {
    let front = front();
    for _ in 0..2 {
        let answer = bill(&front, CHARGE.as_bytes()).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &br#"{"success":true}"#[..]));
    }
    let kept = front.kept().await;
    let [(key, envelope, event), (_, _, again)] = &kept[..] else { panic!("two deliveries: {kept:?}") };
    assert_eq!(event, again, "a repeat has the same message id, and is a duplicate on the road");
    assert_eq!((envelope.source.as_str(), envelope.received_at, &envelope.refused), ("billing", NOW, &None));
    let event: Value = serde_json::from_str(event).expect("JSON");
    assert_eq!(event["anonymousId"], key.as_str(), "one person's events keep their order");
    assert_eq!(
        (&event["messageId"], &event["event"], &event["timestamp"], &event["properties"]),
        (
            &json!("billing:evt_1"),
            &json!("charge.succeeded"),
            &json!("2023-11-14T22:13:20.000Z"),
            &json!({"note": "ü"}),
        )
    );
}

#[tokio::test]
async fn a_call_that_is_not_believed_leaves_nothing() {
    let body = CHARGE.as_bytes();
    let with = |value: String| vec![("stripe-signature", value)];
    let sound = by_stripe("new secret", 0, body);
    for (method, path, headers, expected) in [
        ("POST", "billing", with(sound.clone()), "200 "),
        ("POST", "billing", with(by_stripe("old secret", 300, body)), "200 "),
        ("POST", "billing", with(by_stripe("old secret", -300, body)), "200 "),
        ("POST", "billing", vec![], "401 no_signature"),
        ("POST", "billing", with("t=1,v1=".into()), "401 no_signature"),
        ("POST", "billing", with(sound.replace("t=", "T=")), "401 no_signature"),
        ("POST", "billing", with(by_stripe("new secret", 0, &body[1..])), "401 wrong_signature"),
        ("POST", "billing", with(by_stripe("wrong secret", 0, body)), "401 wrong_signature"),
        ("POST", "billing", with(sound.replace("t=18", "t=19")), "401 wrong_signature"),
        ("POST", "billing", with(by_stripe("new secret", 301, body)), "401 stale_signature"),
        ("POST", "billing", with(by_stripe("new secret", -301, body)), "401 stale_signature"),
        ("POST", "repo", vec![("x-hub-signature-256", mac("repo secret", &[body]))], "401 no_signature"),
        ("POST", "repo", vec![("x-hub-signature-256", "sha256=00".into())], "401 wrong_signature"),
        ("POST", "nobody", with(sound.clone()), "404 unknown_webhook"),
        ("POST", "%ff", with(sound.clone()), "404 unknown_webhook"),
        ("POST", "web", with(sound.clone()), "404 unknown_webhook"),
        ("POST", "billing/x", with(sound.clone()), "404 not_found"),
        ("GET", "billing", with(sound.clone()), "405 not_allowed"),
    ] {
        let front = front();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = front.call(method, &format!("/v1/webhooks/{path}"), &headers, CHARGE).await;
        let told = format!("{} {}", answer.status.as_u16(), answer.code());
        assert_eq!(told, expected, "{path} {headers:?}");
        assert_eq!(front.stream.all().await.len(), usize::from(expected == "200 "), "{path} {headers:?}");
        let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
        let tells_a_signature = message.split(|c: char| !c.is_ascii_hexdigit()).any(|word| word.len() >= 32);
        assert!(!tells_a_signature && message.len() < 300, "{message}");
    }
}

/// Source, bytes, and what decoding and validation say of each record.
async fn judged(front: &Front) -> Vec<(String, Vec<u8>, String)> {
    let mut judged = Vec::new();
    for record in front.stream.all().await {
        assert!(record.partition_key.len() + record.data.len() <= Limits::default().record_bytes);
        for part in decode(&record, &Parts::of(&record), "") {
            let said = match part.event.and_then(|raw| validate(&raw).map(drop)) {
                Ok(()) => "accepted".to_owned(),
                Err(rejection) => {
                    let field = rejection.field.unwrap_or_default();
                    format!("{} {field}: {}", rejection.reason.as_str(), rejection.detail)
                }
            };
            judged.push((part.source.into_owned(), part.bytes.to_vec(), said));
        }
    }
    judged
}

#[tokio::test]
async fn what_cant_be_mapped_is_kept_for_quarantine_with_its_bytes() {
    let of_note = |bytes: usize| CHARGE.replace("\\u00fc", &"x".repeat(bytes)).into_bytes();
    let nobody = CHARGE.replace("jane@example.com", "");
    for (body, said) in [
        (CHARGE.as_bytes().to_vec(), "accepted"),
        (b"".to_vec(), "not_json : the payload is not JSON: EOF"),
        (b"payload=%7B%7D".to_vec(), "not_json : the payload is not JSON"),
        (b"{\"id\":\"\xff\"}".to_vec(), "not_utf8 : byte 7 is not UTF-8"),
        (gzip(CHARGE.as_bytes()), "not_utf8 : byte 1 is not UTF-8"),
        (b"null".to_vec(), "not_json : "),
        ([&b"["[..], &b"[".repeat(200_000)].concat(), "not_json : "),
        (nobody.into_bytes(), "no_identifier data.object.email: no column that names the person has a value"),
        (CHARGE.replace("1700000000", "\"now\"").into_bytes(), "bad_timestamp created: \"now\" is not a time"),
        (of_note(40 << 10), "too_large : the row's event has 4"),
        (of_note(2 << 20), "too_large : the row's event has 2"),
    ] {
        let front = front();
        assert_eq!(bill(&front, &body).await.status, 200, "{said}");
        let rows = judged(&front).await;
        let [(source, bytes, told)] = &rows[..] else { panic!("{said}: {rows:?}") };
        assert_eq!(source, "billing");
        assert!(told.starts_with(said), "{told}, not {said}");
        let is_kept = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        if said != "accepted" && !body.is_empty() {
            // An object has what stood beside it in front, and what no record can hold is cut.
            let head = &body[1..body.len().min(1 << 10)];
            assert!(is_kept(head), "{told}: {}", bytes.escape_ascii());
            assert_eq!(told.contains("are kept"), body.len() > 1 << 20, "{told}");
        }
    }
}

#[tokio::test]
async fn what_cant_be_mapped_is_in_the_table_with_its_reason() {
    let front = front();
    for body in [CHARGE.as_bytes(), b"{]", br#"{"id":"evt_2"}"#] {
        assert_eq!(bill(&front, body).await.status, 200);
    }
    let rows = quarantine(&front).await;
    let [(no_identifier, row), (not_json, body)] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((no_identifier.as_str(), not_json.as_str(), &body[..]), ("no_identifier", "not_json", &b"{]"[..]));
    let row: Value = serde_json::from_slice(row).expect("JSON");
    assert_eq!(row, json!({"@delivery": "evt_2", "@headers": {}, "id": "evt_2"}));
}

#[tokio::test]
async fn a_kind_without_a_mapping_is_kept_and_told() {
    let body = br#"{"sender":{"id":7}}"#;
    let signature = format!("sha256={}", mac("repo secret", &[body]));
    for (kind, said) in
        [("push", "accepted"), ("ping", "bad_row @headers.x-github-event: there is no mapping for \"ping\"")]
    {
        let front = front();
        let headers =
            [("X-Hub-Signature-256", signature.as_str()), ("X-GitHub-Event", kind), ("X-GitHub-Delivery", "d-1")];
        assert_eq!(front.post("/v1/webhooks/repo", &headers, &body[..]).await.status, 200);
        let rows = judged(&front).await;
        assert_eq!(rows.iter().map(|(.., said)| said.as_str()).collect::<Vec<_>>(), [said]);
    }
}

#[tokio::test]
async fn rows_of_a_list_are_judged_one_by_one() {
    let body = br#"[{"type":"track","event":"E","userId":"u","messageId":"m"},7,{"type":"track","userId":"u"}]"#;
    let front = front();
    let headers = [("x-signature", mac("own secret", &[body]))];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(front.post("/v1/webhooks/own", &headers, &body[..]).await.status, 200);
    let mut said: Vec<String> = judged(&front).await.into_iter().map(|(.., said)| said).collect();
    said.sort();
    let reasons: Vec<&str> = said.iter().filter_map(|said| said.split_whitespace().next()).collect();
    assert_eq!(reasons, ["accepted", "missing_event", "not_json"]);

    let empty = mac("own secret", &[b"[]"]);
    let answer = front.post("/v1/webhooks/own", &[("x-signature", empty.as_str())], "[]").await;
    assert_eq!((answer.status.as_u16(), front.stream.all().await.len()), (200, 3), "no rows, no records");
}

#[tokio::test]
async fn a_body_in_pieces_is_verified_as_a_whole_and_one_too_long_is_told() {
    let limits = Limits { request_bytes: 300, ..Limits::default() };
    for (body, expected) in
        [(CHARGE.to_owned(), "200 "), (CHARGE.replace("jane", &"j".repeat(300)), "413 payload_too_large")]
    {
        let front = front_with(limits, vec![]);
        let signature = by_stripe("new secret", 0, body.as_bytes());
        let pieces = body.as_bytes().chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let headers = [("stripe-signature", signature.as_str())];
        let answer = front.post("/v1/webhooks/billing", &headers, Body::from_stream(Pieces(pieces))).await;
        assert_eq!(format!("{} {}", answer.status.as_u16(), answer.code()), expected);
    }
}

#[tokio::test]
async fn a_fault_of_the_stream_has_the_sender_try_again() {
    for (fault, expected, retry_after) in [
        (FaultKind::Busy, "503 stream_busy", "3"),
        (FaultKind::Broken, "503 unavailable", "1"),
        (FaultKind::Missing, "503 unavailable", "1"),
        (FaultKind::Stale, "503 unavailable", "1"),
    ] {
        let front = front();
        front.stream.fail(fault);
        let answer = bill(&front, CHARGE.as_bytes()).await;
        let told = format!("{} {}", answer.status.as_u16(), answer.code());
        assert_eq!((told.as_str(), answer.header("retry-after")), (expected, retry_after), "{fault:?}");
    }
}

struct Pieces(VecDeque<Result<Bytes, std::io::Error>>);

impl futures::Stream for Pieces {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.pop_front())
    }
}
