//! What no client should send, and some do: a clear answer, nothing kept, never a panic.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use cdp_api::Limits;

use crate::front::{WEB, front, front_with, gzip};

#[tokio::test]
async fn what_is_not_a_call_is_refused_and_named() {
    let batch = br#"{"batch":[{"type":"track","event":"E","userId":"u"}]}"#;
    let cut_gzip = {
        let whole = gzip(batch);
        whole[..whole.len() - 12].to_vec()
    };
    let bad_crc = {
        let mut whole = gzip(batch);
        let at = whole.len() - 6;
        whole[at] ^= 1;
        whole
    };
    let bomb = gzip(&vec![b' '; 64 << 20]);
    let deep = [b"{\"batch\":", &b"[".repeat(200_000)[..]].concat();
    for (case, headers, body, code) in [
        ("empty", vec![], b"".to_vec(), "not_json"),
        ("not JSON", vec![], b"event=Seen&userId=u".to_vec(), "not_json"),
        ("an array", vec![], b"[{}]".to_vec(), "not_json"),
        ("cut JSON", vec![], batch[..30].to_vec(), "not_json"),
        ("two values", vec![], [batch.as_slice(), batch].concat(), "not_json"),
        ("invalid UTF-8", vec![], b"{\"batch\":[{\"event\":\"\xc3\x28\"}]}".to_vec(), "not_json"),
        ("NUL bytes", vec![], b"\0\0\0\0".to_vec(), "not_json"),
        ("no batch", vec![], b"{}".to_vec(), "bad_field"),
        ("batch of a wrong type", vec![], br#"{"batch":"[]"}"#.to_vec(), "bad_field"),
        ("batch twice", vec![], br#"{"batch":[],"batch":[]}"#.to_vec(), "bad_field"),
        ("endless nesting", vec![], deep, "not_json"),
        ("truncated gzip", vec![("content-encoding", "gzip")], cut_gzip, "bad_gzip"),
        ("gzip with a bad checksum", vec![("content-encoding", "gzip")], bad_crc, "bad_gzip"),
        ("zip bomb", vec![("content-encoding", "gzip")], bomb, "inflated_too_large"),
        ("unknown encoding", vec![("content-encoding", "br")], batch.to_vec(), "unknown_encoding"),
        ("too long", vec![], vec![b' '; 5 << 20], "request_too_large"),
    ] {
        let front = front();
        let headers: Vec<_> = headers.into_iter().chain([WEB]).collect();
        let answer = front.post("/v1/batch", &headers, body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, code), "{case}");
        assert!(answer.json()["message"].as_str().is_some_and(|message| message.len() < 400), "{case}");
        assert!(front.kept().await.is_empty(), "{case}");
    }
}

#[tokio::test]
async fn odd_events_are_taken_for_validation_to_judge() {
    for event in [
        r#"{"type":"track","userId":1e999999,"event":{}}"#,
        r#"{"type":"track","userId":"u","userId":"v"}"#,
        r#"{"type":"track","userId":"\ud800","anonymousId":"\u0000"}"#,
        r#"{"type":5,"sentAt":[],"context":7}"#,
        &format!(r#"{{"userId":"u","properties":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000)),
    ] {
        for (path, body) in [("/v1/batch", format!(r#"{{"batch":[{event}]}}"#)), ("/v1/track", event.to_owned())] {
            let front = front();
            let answer = front.post(&format!("{path}?verdicts=true"), &[WEB], body).await;
            assert_eq!(answer.status, 200, "{path} {event:.60}");
            assert_eq!(answer.json()["verdicts"][0]["status"], "refused", "{path} {event:.60}");
            assert_eq!(front.kept().await.len(), 1, "{path} {event:.60}");
        }
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_to_be_sent_again() {
    let pieces = [Ok(Bytes::from_static(b"{\"batch\":[")), Err(std::io::Error::other("connection reset"))];
    let body = Body::from_stream(Pieces(pieces.into_iter().collect()));
    assert_eq!(front().post("/v1/batch", &[WEB], body).await.status, 408);
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    let impatient = Limits { body_within: Duration::from_millis(1), ..Limits::default() };
    let answer = front_with(impatient, vec![]).post("/v1/batch", &[WEB], Body::from_stream(Stall)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (408, "body_too_slow"));
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_told_so() {
    for (method, path, status, code) in [
        ("POST", "/v1/nothing", 404, "not_found"),
        ("POST", "/v1/track/", 404, "not_found"),
        ("GET", "/v1/profilesx", 404, "not_found"),
        ("GET", "/", 405, "not_allowed"),
        ("GET", "/v1/track", 405, "not_allowed"),
        ("DELETE", "/v1/batch", 405, "not_allowed"),
        ("POST", "/healthz", 405, "not_allowed"),
    ] {
        let answer = front().call(method, path, &[WEB], "{}").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{method} {path}");
    }
}

struct Pieces(std::collections::VecDeque<Result<Bytes, std::io::Error>>);

impl futures::Stream for Pieces {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.pop_front())
    }
}

struct Stall;

impl futures::Stream for Stall {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Pending
    }
}
