//! Bodies of calls, as clients send them.

use std::fs;
use std::path::Path;

use ciborium::Value;

use super::{aggregates, collect, events};

/// Batches, and events alone.
pub fn calls() -> Vec<Vec<u8>> {
    let events = events();
    let batch = |events: &[Vec<u8>]| {
        let events = events.join(&b',');
        let shared = br#"],"sentAt":"2026-01-31T09:30:00.000Z","context":{"ip":"::1"},"writeKey":"key"}"#;
        [&br#"{"batch":["#[..], &events, shared].concat()
    };
    events.chunks(4).map(batch).chain(events.iter().step_by(4).cloned()).collect()
}

/// Payloads of the examples, some of rows.
pub fn webhooks() -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/webhooks"), &mut paths);
    paths.retain(|path| !path.to_string_lossy().ends_with(".toml"));
    paths.sort();
    let bodies = paths.iter().map(|path| fs::read(path).expect("readable"));
    let rows =
        br#"[{"sender":{"id":1},"action":"a","at":"2026-01-31","total":"$ 1,5"},{"email":"j@x.org","@headers":5},7]"#;
    bodies.chain([rows.to_vec()]).collect()
}

/// The operation's name on a line of its own, then the body.
pub fn kinesis_json() -> Vec<Vec<u8>> {
    let records = br#"{"StreamName":"events","Records":[{"Data":"aGk=","PartitionKey":"k"},{"Data":"","PartitionKey":"\u00fc","ExplicitHashKey":"0"}]}"#;
    let others: [(&str, &str); 6] = [
        (
            "PutRecord",
            r#"{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/events","Data":"e30=","PartitionKey":"k"}"#,
        ),
        (
            "GetShardIterator",
            r#"{"StreamName":"events","ShardId":"shardId-000000000000","ShardIteratorType":"AT_TIMESTAMP","Timestamp":1.5}"#,
        ),
        ("GetRecords", r#"{"ShardIterator":"AQAAAZwToGLAAAAAAAAAAAAAAAAA","Limit":10}"#),
        ("ListShards", r#"{"StreamName":"events","MaxResults":1,"NextToken":"AAAA"}"#),
        ("DescribeStream", r#"{"StreamName":"events","Limit":1,"ExclusiveStartShardId":"shardId-000000000000"}"#),
        ("ListStreams", "{}"),
    ];
    let others = others.into_iter().map(|(operation, body)| call(operation, body.as_bytes()));
    others.chain([call("PutRecords", records)]).collect()
}

/// Puts, also of KPL aggregates.
pub fn kinesis_cbor() -> Vec<Vec<u8>> {
    let text = |text: &str| Value::Text(text.to_owned());
    let record = |data: &Vec<u8>| vec![(text("Data"), Value::Bytes(data.clone())), (text("PartitionKey"), text("k"))];
    let named = |mut fields: Vec<(Value, Value)>| {
        fields.push((text("StreamName"), text("events")));
        Value::Map(fields)
    };
    let aggregates = aggregates();
    let puts = aggregates.iter().take(6).map(|data| call("PutRecord", &cbor(&named(record(data)))));
    let many = aggregates.chunks(3).take(3).map(|some| {
        let records = some.iter().map(|data| Value::Map(record(data))).collect();
        call("PutRecords", &cbor(&named(vec![(text("Records"), Value::Array(records))])))
    });
    puts.chain(many).collect()
}

fn call(operation: &str, body: &[u8]) -> Vec<u8> {
    [operation.as_bytes(), b"\n", body].concat()
}

fn cbor(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("memory");
    bytes
}
