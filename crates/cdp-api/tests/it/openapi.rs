//! `CDP_UPDATE_SNAPSHOTS=1 cargo test -p cdp-api openapi` writes the snapshot anew.

use std::collections::BTreeSet;
use std::path::Path;

use axum::http::StatusCode;
use cdp_api::openapi::DOCUMENT;
use serde_json::Value;

use crate::front::{WEB, front};
use crate::people::{READER, people};

#[tokio::test]
async fn the_document_is_served_and_is_its_snapshot() {
    let answer = front().call("GET", "/v1/openapi.json", &[], "").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"));
    assert_eq!(answer.body, DOCUMENT.as_bytes());

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/http/openapi.json");
    if std::env::var_os("CDP_UPDATE_SNAPSHOTS").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a writable checkout");
        std::fs::write(&path, DOCUMENT.as_str()).expect("a writable checkout");
    }
    let snapshot = std::fs::read_to_string(&path).expect("schemas/http/openapi.json");
    let differs = DOCUMENT.lines().zip(snapshot.lines()).position(|(now, then)| now != then);
    assert!(
        *DOCUMENT == snapshot,
        "line {differs:?} differs; if that is meant, write the snapshot anew with CDP_UPDATE_SNAPSHOTS=1"
    );
}

#[test]
fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    for reference in DOCUMENT.split("\"$ref\": \"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
    let names =
        operations(&document).map(|(_, _, operation)| operation["operationId"].as_str().expect("a name").to_owned());
    let names: Vec<String> = names.collect();
    let distinct: BTreeSet<&String> = names.iter().collect();
    assert_eq!((names.len(), distinct.len()), (27, 27), "{names:?}");
}

#[tokio::test]
async fn every_path_is_served() {
    let people = people(&[]).await;
    for (method, path, _) in operations(&document()) {
        let filled = path.replace("{collection}", "users").replace(['{', '}'], "");
        let answer = people.call(&method, &filled, &[], "").await;
        let is_unknown = [answer.code(), answer.error_code()].contains(&"not_found".to_owned());
        assert!(!is_unknown && answer.status != StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
    }
}

/// Method, path, headers and body; the operation and the status that it is an example of.
type Call = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str, &'static str, u16);

const CALLS: [Call; 22] = [
    ("POST", "/v1/track", &[WEB], r#"{"event":"E","userId":"u"}"#, "/v1/track", 200),
    ("POST", "/v1/b?verdicts=true", &[WEB], r#"{"batch":[{}]}"#, "/v1/b", 200),
    ("POST", "/v1/batch", &[WEB], "[]", "/v1/batch", 400),
    ("POST", "/v1/batch", &[], r#"{"batch":[]}"#, "/v1/batch", 401),
    ("POST", "/v1/batch", &[SLOW_SOURCE], ELEVEN, "/v1/batch", 200),
    ("POST", "/v1/batch", &[SLOW_SOURCE], ELEVEN, "/v1/batch", 429),
    ("GET", "/v1/projects/key/settings", &[], "", "/v1/projects/{write_key}/settings", 200),
    ("GET", "/v1/projects/no/settings", &[], "", "/v1/projects/{write_key}/settings", 401),
    ("POST", "/v1/webhooks/own", &[OWN_SIGNATURE], "{}", WEBHOOK, 200),
    ("POST", "/v1/webhooks/own", &[], "{}", WEBHOOK, 401),
    ("POST", "/v1/webhooks/no", &[], "{}", WEBHOOK, 404),
    ("GET", "/healthz", &[], "", "/healthz", 503),
    ("GET", "/metrics", &[], "", "/metrics", 200),
    ("GET", "/v1/openapi.json", &[], "", "/v1/openapi.json", 200),
    ("GET", "/v1/profiles/user_id:jane", &[READER], "", PROFILE, 200),
    ("GET", "/v1/profiles/user_id:jane", &[READER, ("if-none-match", "*")], "", PROFILE, 304),
    ("GET", "/v1/profiles/jane", &[READER], "", PROFILE, 400),
    ("GET", "/v1/profiles/user_id:jane", &[], "", PROFILE, 401),
    ("GET", "/v1/profiles/user_id:jane", &[("authorization", "Bearer nobody")], "", PROFILE, 403),
    ("GET", "/v1/profiles/user_id:no", &[SLOW_TOKEN], "", PROFILE, 404),
    ("GET", "/v1/spaces/s/collections/users/profiles/user_id:jane/traits", &[SLOW_TOKEN], "", TRAITS, 200),
    ("GET", "/v1/spaces/s/collections/users/profiles/user_id:jane/traits", &[SLOW_TOKEN], "", TRAITS, 429),
];
const SLOW_SOURCE: (&str, &str) = ("authorization", "Bearer slow");
const SLOW_TOKEN: (&str, &str) = ("authorization", "Bearer slow");
const ELEVEN: &str = r#"{"batch":[1,2,3,4,5,6,7,8,9,10,11]}"#;
/// Of `{}`, by the webhook's secret.
const OWN_SIGNATURE: (&str, &str) = ("x-signature", "5f9c7b8a4d63207f0e767ee47935ea2dd10caf389e989152dcc8e252e93ce429");
const WEBHOOK: &str = "/v1/webhooks/{source}";
const PROFILE: &str = "/v1/profiles/{name}";
const TRAITS: &str = "/v1/spaces/{space}/collections/{collection}/profiles/{name}/traits";

#[tokio::test]
async fn answers_have_the_status_the_headers_and_the_form_that_are_documented() {
    let document = document();
    let people = people(&[r#"{"type":"identify","userId":"jane"}"#]).await;
    for (method, path, headers, body, operation, status) in CALLS {
        let answer = people.call(method, path, headers, body).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}");
        let operation = &document["paths"][operation][method.to_lowercase()];
        let documented = resolved(&document, &operation["responses"][status.to_string()]);
        assert!(documented["description"].is_string(), "{method} {path}: {status} is not documented");
        for name in documented["headers"].as_object().expect("headers").keys() {
            assert!(answer.headers.contains_key(name), "{method} {path}: {status} has no {name}");
        }
        for (name, _) in answer.headers.iter().filter(|(name, _)| !PLAIN_HEADERS.contains(&name.as_str())) {
            assert!(documented["headers"].get(name.as_str()).is_some(), "{method} {path}: {name} is not documented");
        }
        let form = documented["content"].as_object().and_then(|content| content.keys().next());
        assert!(form.is_none_or(|form| answer.header("content-type").starts_with(form)), "{method} {path}");
    }
}

/// What HTTP itself is about, and what browsers are told.
const PLAIN_HEADERS: [&str; 6] = [
    "content-type",
    "content-length",
    "vary",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-allow-credentials",
];

fn document() -> Value {
    serde_json::from_str(&DOCUMENT).expect("JSON")
}

/// Method, path, operation.
fn operations(document: &Value) -> impl Iterator<Item = (String, &str, &Value)> {
    let paths = document["paths"].as_object().expect("paths").iter();
    paths.flat_map(|(path, item)| {
        item.as_object()
            .expect("operations")
            .iter()
            .map(|(method, operation)| (method.to_uppercase(), path.as_str(), operation))
    })
}

fn resolved<'d>(document: &'d Value, answer: &'d Value) -> &'d Value {
    let reference = answer["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    reference.map_or(answer, |reference| document.pointer(reference).expect("a response"))
}
