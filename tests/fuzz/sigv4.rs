//! Calls of the Kinesis API, where it has access keys. What is taken was signed, this very body, now.

use axum::http::{HeaderValue, StatusCode};
use cdp_api::{AccessKey, Secret};
use serde_json::Value;

use crate::fuzz_one_in;
use crate::http::{Front, MEMORY_BYTES};
use crate::memory::most_held;
use crate::seeds::{Call, SigV4, sigv4_calls};

const WORDS: [&[u8]; 18] = [
    b"AWS4-HMAC-SHA256 ",
    b"Credential=AKIDEXAMPLE/20260131/eu-central-1/kinesis/aws4_request",
    b"SignedHeaders=",
    b"Signature=",
    b"Signature=00",
    b"AKIDEXAMPLE/",
    b"/aws4_request",
    b"20260131",
    b"T093000Z",
    b"host;",
    b"authorization;",
    b"x-amz-date",
    b";;;;;;;;",
    b",",
    b"/",
    b"\n",
    "é".as_bytes(),
    b"\xff",
];

#[test]
fn a_call_is_taken_that_was_signed_with_a_key_that_is_known() {
    let key = AccessKey { id: SigV4::KEY_ID.to_owned(), secret: Secret::new(SigV4::SECRET) };
    let front = Front::with_keys(vec![key]);
    let calls = sigv4_calls();
    let mut seeds: Vec<Vec<u8>> = calls.iter().map(|call| call.seed.clone()).collect();
    seeds.iter().for_each(|seed| assert_eq!(check(&front, &calls, seed), Some(StatusCode::OK)));
    // A header that says of itself that it is signed, over and over.
    let again = format!("SignedHeaders={}", "authorization;".repeat(1500));
    seeds.extend(calls.iter().map(|call| String::from_utf8_lossy(&call.seed).replace("SignedHeaders=", &again).into()));
    fuzz_one_in(5, &seeds, &WORDS, |bytes| {
        let held = most_held(|| {
            check(&front, &calls, bytes);
        });
        assert!(held <= MEMORY_BYTES, "{held} bytes of memory");
    });
}

/// `None`: no call is like that.
fn check(front: &Front, calls: &[Call], input: &[u8]) -> Option<StatusCode> {
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let (authorization, date, body) = (lines.next()?, lines.next()?, lines.next()?);
    if [authorization, date].into_iter().any(|value| HeaderValue::from_bytes(value).is_err()) {
        return None;
    }
    let always = SigV4::HEADERS.map(|(name, value)| (name, value.as_bytes()));
    let headers = [&always[..], &[("authorization", authorization), ("x-amz-date", date)]].concat();
    let (status, answer) = front.post("/", &headers, body);
    let records = front.stream.take();
    if status == StatusCode::OK {
        let claim = String::from_utf8_lossy(authorization).to_lowercase();
        let is_signed = |call: &Call| call.body == body && claim.contains(&call.signature);
        assert!(calls.iter().any(is_signed) && date == SigV4::DATE.as_bytes(), "nobody signed it");
        assert_eq!(records.len(), 1);
        return Some(status);
    }
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    assert!(status == StatusCode::BAD_REQUEST && records.is_empty(), "{status} {answer}");
    assert!(answer["__type"].is_string() && answer["message"].is_string(), "{answer}");
    Some(status)
}
