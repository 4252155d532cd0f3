//! `CDP_UPDATE_SNAPSHOTS=1 cargo test -p cdp-api openapi` writes the snapshot anew.

use std::path::Path;

use axum::http::StatusCode;
use cdp_api::openapi::DOCUMENT;

use crate::front::front;

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

#[tokio::test]
async fn every_reference_has_its_schema_and_every_operation_its_name() {
    let document: serde_json::Value = serde_json::from_str(&DOCUMENT).expect("JSON");
    assert_eq!(document["openapi"], "3.1.0");
    for reference in DOCUMENT.split("\"$ref\": \"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
    let operations =
        document["paths"].as_object().expect("paths").values().flat_map(|item| item.as_object().expect("one"));
    let mut names: Vec<&str> = operations.filter_map(|(_, operation)| operation["operationId"].as_str()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!((names.len(), count), (13, 13), "{names:?}");
}
