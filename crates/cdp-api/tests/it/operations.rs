//! Health, metrics and request ids.

use crate::front::{WEB, front};

#[tokio::test]
async fn health_follows_readiness() {
    let front = front();
    assert_eq!(front.call("GET", "/healthz", &[], "").await.status, 503);
    front.api.set_ready(true);
    assert_eq!(front.call("GET", "/healthz", &[], "").await.status, 200);
}

#[tokio::test]
async fn metrics_are_text() {
    let answer = front().call("GET", "/metrics", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/plain; version=0.0.4"));
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let front = front();
    let long = "x".repeat(200);
    for (sent, path, is_echoed) in [
        ("abc-1", "/v1/track", true),
        ("abc-1", "/nothing", true),
        ("", "/v1/track", false),
        ("a b", "/v1/track", false),
        (&long, "/", false),
    ] {
        let answer = front.post(path, &[WEB, ("x-request-id", sent)], "{}").await;
        let id = answer.header("x-request-id");
        assert_eq!(id == sent, is_echoed, "{sent:?} became {id:?}");
        assert_eq!(id.len() == 36, !is_echoed, "{id:?}");
    }
}
