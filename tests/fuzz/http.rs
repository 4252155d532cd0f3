//! Bodies of HTTP calls. What is answered with success is in the stream, each event of it; of what is refused, nothing is.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use cdp_api::kinesis::{Shard, StreamDescription, StreamFacts};
use cdp_api::{AccessKey, Api, ApiConfig, Limits, Metrics, Outside, Secret, Source};
use cdp_event::{PartitionId, Parts, Record, Sequence, Timestamp, decode, validate};
use cdp_ports::{Chance, Clock, NewRecord, PortResult, Stream};
use cdp_webhooks::Webhook;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::decoders::{JSON, check_record};
use crate::memory::most_held;
use crate::seeds::{self, MOMENT, gzip};
use crate::{fuzz_one_in, seeds_of};

/// A call of 40 KB, what it becomes in the stream, and what HTTP takes.
pub const MEMORY_BYTES: usize = 16 << 20;

#[test]
fn events_of_a_call_are_in_the_stream_or_the_call_is_refused() {
    let front = Front::new();
    let seeds = seeds::calls();
    fuzz_one_in(4, &seeds, &JSON, |bytes| {
        let path = if bytes.len() % 3 == 0 { "/v1/track" } else { "/v1/batch" };
        let held = most_held(|| front.check_tracking(path, bytes));
        assert!(held <= MEMORY_BYTES, "{held} bytes of memory");
    });
}

#[test]
fn a_gzip_body_is_inflated_within_bounds_or_refused() {
    let front = Front::new();
    let bombs = [1, 20].map(|mib| gzip(&vec![b' '; mib << 20]));
    let seeds = seeds_of(seeds::calls(), |call| gzip(&call)).into_iter().chain(bombs).collect::<Vec<_>>();
    fuzz_one_in(
        20,
        &seeds,
        &[b"\x1f\x8b\x08\x00", b"\x1f\x8b\x08\x1f", b"\x03\x00", b"\xff\xff", b"\x00\x00"],
        |bytes| {
            let limit_bytes = Limits::default().inflated_bytes;
            let held = most_held(|| front.check_tracking("/v1/batch", bytes));
            assert!(held <= MEMORY_BYTES + 2 * limit_bytes, "{held} bytes of memory");
        },
    );
}

#[test]
fn records_of_a_kinesis_call_in_json_are_in_the_stream_or_the_call_is_refused() {
    let front = Front::new();
    let seeds = seeds::kinesis_json();
    fuzz_one_in(4, &seeds, &KINESIS, |bytes| {
        let held = most_held(|| front.check_kinesis("application/x-amz-json-1.1", bytes));
        assert!(held <= MEMORY_BYTES, "{held} bytes of memory");
    });
}

#[test]
fn records_of_a_kinesis_call_in_cbor_are_in_the_stream_or_the_call_is_refused() {
    let front = Front::new();
    let words: [&[u8]; 10] = [
        b"\xbf",
        b"\xff",
        b"\x9f",
        b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x9b\x00\x00\x00\xff\xff\xff\xff\xff",
        b"\xc1",
        b"\xfb",
        b"\x7f",
        b"\xf6",
        b"\x81\x81\x81\x81\x81\x81\x81\x81",
    ];
    fuzz_one_in(4, &seeds::kinesis_cbor(), &words, |bytes| {
        let held = most_held(|| front.check_kinesis("application/x-amz-cbor-1.1", bytes));
        assert!(held <= MEMORY_BYTES, "{held} bytes of memory");
    });
}

#[test]
fn rows_of_a_signed_call_are_in_the_stream_whatever_they_are_and_of_an_unsigned_one_none() {
    let front = Front::new();
    fuzz_one_in(4, &seeds::webhooks(), &JSON, |bytes| {
        let held = most_held(|| front.check_webhook(bytes));
        assert!(held <= MEMORY_BYTES, "{held} bytes of memory");
    });
}

const KINESIS: [&[u8]; 20] = [
    b"PutRecord\n",
    b"PutRecords\n",
    b"GetRecords\n",
    b"GetShardIterator\n",
    b"ListShards\n",
    b"DescribeStream\n",
    b"\"Data\":\"",
    b"\"Records\":[",
    b"\"PartitionKey\":\"k\",",
    b"\"ExplicitHashKey\":\"340282366920938463463374607431768211456\",",
    b"\"StreamName\":\"events\",",
    b"\"StreamARN\":\"x/events\",",
    b"\"Timestamp\":1e308,",
    b"-1",
    b"null",
    b"\"",
    b"{",
    b"}",
    b"[",
    b"====",
];

pub struct Front {
    pub stream: Arc<Kept>,
    router: Router,
    runtime: Runtime,
}

impl Front {
    fn new() -> Self {
        Self::with_keys(vec![])
    }

    pub fn with_keys(access_keys: Vec<AccessKey>) -> Self {
        let source = Source { name: "web".into(), write_key: Secret::new("key"), events_per_second: None };
        let config = ApiConfig {
            stream_name: "events".into(),
            sources: vec![source],
            webhooks: vec![webhook()],
            access_keys,
            limits: Limits::default(),
        };
        let stream = Arc::new(Kept::default());
        let outside = Outside { stream: Arc::clone(&stream), clock: Arc::new(Still), chance: Arc::new(Still) };
        let api = Arc::new(Api::new(config, outside, Metrics::detached()).expect("sound"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        Self { stream, router: cdp_api::router(&api, Router::new()), runtime }
    }

    pub fn post<V: AsRef<[u8]>>(&self, path: &str, headers: &[(&str, V)], body: &[u8]) -> (StatusCode, Bytes) {
        let request =
            headers.iter().fold(Request::post(path), |request, (name, value)| request.header(*name, value.as_ref()));
        let request = request.body(Body::from(body.to_vec())).expect("a request");
        self.runtime.block_on(async {
            let answer = self.router.clone().oneshot(request).await.expect("infallible");
            (answer.status(), to_bytes(answer.into_body(), usize::MAX).await.expect("in memory"))
        })
    }

    fn check_tracking(&self, path: &str, body: &[u8]) {
        let headers = [("authorization", "Bearer key"), ("x-cdp-verdicts", "true")];
        let (status, answer) = self.post(path, &headers, body);
        let records = self.stream.take();
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        if status != StatusCode::OK {
            assert!(status == StatusCode::BAD_REQUEST && records.is_empty(), "{status} {answer}");
            let is_told = |field: &str| answer[field].as_str().is_some_and(|text| (1..600).contains(&text.len()));
            assert!(is_told("code") && is_told("message"), "{answer}");
            return;
        }
        let verdicts = answer["verdicts"].as_array().expect("verdicts");
        assert_eq!(verdicts.len(), records.len(), "a verdict for each event, and a record");
        let mut decided: Vec<String> = records.iter().map(|record| decision(record, "web")).collect();
        let mut told: Vec<String> =
            verdicts.iter().map(|verdict| verdict["code"].as_str().unwrap_or("accepted").to_owned()).collect();
        decided.sort();
        told.sort();
        assert_eq!(told, decided, "what is told is what is decided behind the stream");
    }

    fn check_webhook(&self, body: &[u8]) {
        let sound = signed(body);
        let wrong = signed(&[body, b" "].concat());
        for (signature, expected) in [(sound.as_str(), 200), (wrong.as_str(), 401), ("sha256=", 401)] {
            let headers = [("x-hub-signature-256", signature), ("x-github-event", "push"), ("x-github-delivery", "d")];
            let (status, answer) = self.post("/v1/webhooks/repo", &headers, body);
            assert_eq!(status.as_u16(), expected, "{}", answer.escape_ascii());
            let records = self.stream.take();
            assert!(expected == 200 || records.is_empty());
            for record in &records {
                decision(record, "repo");
            }
        }
    }

    /// The operation is the input's first line, the body the rest.
    fn check_kinesis(&self, content_type: &str, input: &[u8]) {
        let at = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
        let (operation, body) = (&input[..at], input.get(at + 1..).unwrap_or_default());
        let operation = String::from_utf8_lossy(operation).replace(|c: char| !c.is_ascii_alphanumeric(), "");
        let target = format!("Kinesis_20131202.{operation}");
        let (status, answer) =
            self.post("/", &[("x-amz-target", target.as_str()), ("content-type", content_type)], body);
        let records = self.stream.take();
        let answer: Value = match content_type.contains("cbor") {
            true => ciborium::from_reader(&answer[..]).expect("CBOR"),
            false => serde_json::from_slice(&answer).expect("JSON"),
        };
        if status != StatusCode::OK {
            assert!(status == StatusCode::BAD_REQUEST && records.is_empty(), "{status} {answer}");
            assert!(answer["__type"].is_string() && answer["message"].is_string(), "{answer}");
            return;
        }
        let taken = match operation.as_str() {
            "PutRecord" => 1,
            "PutRecords" => {
                assert_eq!(answer["FailedRecordCount"], 0);
                answer["Records"].as_array().map_or(0, Vec::len)
            }
            _ => 0,
        };
        assert_eq!(taken, records.len(), "{answer}");
        records.iter().for_each(|record| check_record(&record.data));
    }
}

fn webhook() -> Webhook {
    let settings = "scheme = 'github'\n[mapping]\nuser_id = 'sender.id'\nemail = 'email'\nevent = { column = 'action' }\n\
                    properties = '*'\ntime = 'at'\ntypes = { total = 'money' }";
    Webhook::new("repo", &toml::from_str(settings).expect("settings"), ["secret"]).expect("sound")
}

fn signed(body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(b"secret").expect("a key").chain_update(body);
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

fn decision(record: &Record, source: &str) -> String {
    let parts = Parts::of(record);
    let mut parts = decode(record, &parts, "");
    let part = parts.next().expect("a record has a part");
    assert!(parts.next().is_none() && part.source == source, "an event is one part of one record");
    let judged = part.event.and_then(|raw| validate(&raw).map(drop));
    judged.map_or_else(|rejection| rejection.reason.as_str().to_owned(), |()| "accepted".to_owned())
}

/// One shard, which can be emptied.
#[derive(Default)]
pub struct Kept(Mutex<Vec<Record>>);

impl Kept {
    fn shard() -> PartitionId {
        PartitionId::new("shardId-000000000000")
    }

    pub fn take(&self) -> Vec<Record> {
        std::mem::take(&mut self.0.lock().expect("one thread"))
    }
}

impl Stream for Kept {
    async fn partitions(&self) -> PortResult<Vec<PartitionId>> {
        Ok(vec![Self::shard()])
    }

    async fn append(&self, records: Vec<NewRecord>, now: Timestamp) -> PortResult<Vec<(PartitionId, Sequence)>> {
        let mut kept = self.0.lock().expect("one thread");
        let place = |NewRecord { partition_key, data, .. }: NewRecord| {
            let bytes = partition_key.len() + data.len();
            assert!((1..=256).contains(&partition_key.chars().count()) && bytes <= Limits::default().record_bytes);
            let sequence = Sequence::from(kept.len() as u64);
            kept.push(Record { sequence, arrived_at: now, partition_key: partition_key.into(), data });
            (Self::shard(), sequence)
        };
        Ok(records.into_iter().map(place).collect())
    }

    async fn read(&self, _: &PartitionId, _: Option<Sequence>, _: usize, _: usize) -> PortResult<Vec<Record>> {
        Ok(self.0.lock().expect("one thread").clone())
    }
}

impl StreamDescription for Kept {
    async fn describe(&self) -> PortResult<StreamFacts> {
        let shard = Shard { id: Self::shard(), hash_keys: (0, u128::MAX), oldest: Sequence::from(0), newest: None };
        Ok(StreamFacts { created_at: MOMENT, retention: Duration::from_secs(3600), shards: vec![shard] })
    }
}

pub struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        MOMENT
    }
}

impl Chance for Still {
    fn draw(&self) -> u64 {
        7
    }
}
