//! The Kinesis API, in both of its codings.

use cdp_api::{AccessKey, Limits, Secret};
use cdp_ports::{FaultKind, NewRecord, Stream};
use serde_json::{Value, json};

use crate::front::{Answer, Front, NOW, front, front_with};

const FIRST: &str = "shardId-000000000000";

async fn ask(front: &Front, operation: &str, request: Value) -> Answer {
    let target = format!("Kinesis_20131202.{operation}");
    let headers = [("x-amz-target", target.as_str()), ("content-type", "application/x-amz-json-1.1")];
    front.post("/", &headers, request.to_string()).await
}

async fn iterator(front: &Front, mut request: Value) -> Value {
    request["StreamName"] = json!("events");
    request["ShardId"] = json!(FIRST);
    ask(front, "GetShardIterator", request).await.json()["ShardIterator"].clone()
}

/// The partition keys that an iterator finds.
async fn keys(front: &Front, request: Value) -> Vec<String> {
    let iterator = iterator(front, request).await;
    let read = ask(front, "GetRecords", json!({ "ShardIterator": iterator })).await.json();
    read["Records"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|r| r["PartitionKey"].as_str().unwrap_or("").to_owned())
        .collect()
}

/// Three records of the first shard, a second apart.
async fn with_three_records() -> Front {
    let front = front();
    for key in ["k0", "k1", "k2"] {
        let put = json!({"StreamName": "events", "Data": "aGk=", "PartitionKey": key, "ExplicitHashKey": "0"});
        let answer = ask(&front, "PutRecord", put).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["ShardId"]), (200, &json!(FIRST)));
        front.clock.advance_ms(1000);
    }
    front
}

#[tokio::test]
async fn what_was_put_is_read_back() {
    let front = with_three_records().await;
    let start = iterator(&front, json!({"ShardIteratorType": "TRIM_HORIZON"})).await;
    let page = ask(&front, "GetRecords", json!({"ShardIterator": start, "Limit": 2})).await.json();
    let expected = json!({
        "SequenceNumber": "0", "ApproximateArrivalTimestamp": 1_800_000_000.0, "Data": "aGk=", "PartitionKey": "k0",
        "EncryptionType": "NONE",
    });
    assert_eq!((&page["Records"][0], page["Records"].as_array().map(Vec::len)), (&expected, Some(2)));
    assert_eq!(page["MillisBehindLatest"], 2000);
    let rest = ask(&front, "GetRecords", json!({"ShardIterator": page["NextShardIterator"]})).await.json();
    assert_eq!((&rest["Records"][0]["PartitionKey"], &rest["MillisBehindLatest"]), (&json!("k2"), &json!(0)));
    let end = ask(&front, "GetRecords", json!({"ShardIterator": rest["NextShardIterator"]})).await.json();
    assert_eq!((&end["Records"], &end["MillisBehindLatest"]), (&json!([]), &json!(0)));
}

#[tokio::test]
async fn an_iterator_starts_where_it_is_told() {
    let front = with_three_records().await;
    for (request, expected) in [
        (json!({"ShardIteratorType": "TRIM_HORIZON"}), vec!["k0", "k1", "k2"]),
        (json!({"ShardIteratorType": "LATEST"}), vec![]),
        (json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": "1"}), vec!["k1", "k2"]),
        (json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": "0"}), vec!["k0", "k1", "k2"]),
        (json!({"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": "1"}), vec!["k2"]),
        (json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1_800_000_000.5}), vec!["k1", "k2"]),
        (json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1}), vec!["k0", "k1", "k2"]),
        (json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1_900_000_000}), vec![]),
    ] {
        assert_eq!(keys(&front, request.clone()).await, expected, "{request}");
    }
}

/// A record of the first shard for each of the times, in ms from now; its place among them is its key.
async fn with_arrivals(front: &Front, first: usize, arrivals: impl Iterator<Item = i64>) {
    for (number, ms) in (first..).zip(arrivals) {
        let record = NewRecord { partition_key: number.to_string(), explicit_hash_key: Some(0), data: "hi".into() };
        front.stream.append(vec![record], NOW.plus_ms(ms)).await.expect("memory");
    }
}

/// The first `limit` records from a moment on, in ms from now; how often the stream was read; and the next iterator.
async fn from_moment(front: &Front, moment_ms: i64, limit: usize) -> (Vec<usize>, usize, Value) {
    let seconds = NOW.plus_ms(moment_ms).as_ms() as f64 / 1000.0;
    let iterator = iterator(front, json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": seconds})).await;
    next_of(front, &iterator, limit).await
}

async fn next_of(front: &Front, iterator: &Value, limit: usize) -> (Vec<usize>, usize, Value) {
    front.stream.take_reads();
    let page = ask(front, "GetRecords", json!({"ShardIterator": iterator, "Limit": limit})).await.json();
    let records = page["Records"].as_array().expect("records");
    let numbers = records.iter().filter_map(|record| record["PartitionKey"].as_str()?.parse().ok());
    (numbers.collect(), front.stream.take_reads(), page["NextShardIterator"].clone())
}

#[tokio::test]
async fn a_moment_is_found_without_reading_what_came_before_it() {
    const EVERY_10_MS: fn(i64) -> i64 = |number| number * 10;
    const HUNDREDS_AT_ONCE: fn(i64) -> i64 = |number| number / 100;
    for (arrival, records, oldest, moment_ms, expected) in [
        (EVERY_10_MS, 0, 0, 0, vec![]),
        (EVERY_10_MS, 1, 0, 0, vec![0]),
        (EVERY_10_MS, 1, 0, 1, vec![]),
        (EVERY_10_MS, 2, 0, 1, vec![1]),
        (EVERY_10_MS, 11_000, 0, -5000, vec![0, 1]),
        (EVERY_10_MS, 11_000, 0, 0, vec![0, 1]),
        (EVERY_10_MS, 11_000, 0, 1, vec![1, 2]),
        (EVERY_10_MS, 11_000, 0, 50_000, vec![5000, 5001]),
        (EVERY_10_MS, 11_000, 0, 50_001, vec![5001, 5002]),
        (EVERY_10_MS, 11_000, 0, 109_990, vec![10_999]),
        (EVERY_10_MS, 11_000, 0, 109_991, vec![]),
        (EVERY_10_MS, 11_000, 6000, 0, vec![6000, 6001]),
        (EVERY_10_MS, 11_000, 6000, 60_000, vec![6000, 6001]),
        (EVERY_10_MS, 11_000, 6000, 60_001, vec![6001, 6002]),
        (EVERY_10_MS, 11_000, 10_999, 0, vec![10_999]),
        (EVERY_10_MS, 11_000, 11_000, 0, vec![]),
        (HUNDREDS_AT_ONCE, 11_000, 0, 7, vec![700, 701]),
        (HUNDREDS_AT_ONCE, 11_000, 0, 109, vec![10_900, 10_901]),
        (HUNDREDS_AT_ONCE, 11_000, 0, 110, vec![]),
    ] {
        let case = format!("{records} records from {oldest} on, {moment_ms} ms");
        let front = front();
        with_arrivals(&front, 0, (0..records).map(arrival)).await;
        front.stream.forget_below(oldest);
        let (found, reads, _) = from_moment(&front, moment_ms, 2).await;
        assert_eq!(found, expected, "{case}");
        assert!(reads <= 16, "{case}: {reads} reads");
    }
}

#[tokio::test]
async fn records_before_a_moment_that_is_still_to_come_are_passed_over() {
    for already in [0, 3] {
        let front = front();
        with_arrivals(&front, 0, 0..already).await;
        let (found, _, next) = from_moment(&front, 1000, 1).await;
        assert_eq!(found, [0; 0]);
        with_arrivals(&front, 10, [500, 999, 1000, 1001].into_iter()).await;
        let (found, _, next) = next_of(&front, &next, 1).await;
        assert_eq!(found, [12]);
        let (found, reads, _) = next_of(&front, &next, 10).await;
        assert_eq!((found, reads), (vec![13], 1), "it is reached, and not sought again");
    }
}

#[tokio::test]
async fn a_latest_iterator_waits_for_what_comes() {
    let front = with_three_records().await;
    let latest = iterator(&front, json!({"ShardIteratorType": "LATEST"})).await;
    let put = json!({"StreamName": "events", "Data": "", "PartitionKey": "k3", "ExplicitHashKey": "0"});
    ask(&front, "PutRecord", put).await;
    let read = ask(&front, "GetRecords", json!({ "ShardIterator": latest })).await.json();
    assert_eq!(read["Records"][0]["PartitionKey"], "k3");
    front.clock.advance_ms(300_001);
    let expired = ask(&front, "GetRecords", json!({ "ShardIterator": latest })).await;
    assert_eq!(expired.json()["__type"], "ExpiredIteratorException");
}

#[tokio::test]
async fn many_records_go_to_the_shards_of_their_keys() {
    let front = front();
    let half = (1u128 << 127).to_string();
    let records = json!([
        {"Data": "YQ==", "PartitionKey": "k"},
        {"Data": "Yg==", "PartitionKey": "k", "ExplicitHashKey": half},
        {"Data": "Yw==", "PartitionKey": "k"},
    ]);
    let put = ask(&front, "PutRecords", json!({"StreamName": "events", "Records": records})).await.json();
    assert_eq!(put["FailedRecordCount"], 0);
    assert_eq!(put["Records"][0]["ShardId"], put["Records"][2]["ShardId"]);
    assert_eq!(put["Records"][1]["ShardId"], "shardId-000000000001");
    assert!(put["Records"][0]["ErrorCode"].is_null());
}

#[tokio::test]
async fn a_busy_stream_fails_each_record_by_itself() {
    let front = front();
    let record = json!({"Data": "YQ==", "PartitionKey": "k"});
    for (fault, one, many) in [
        (FaultKind::Busy, (400, "ProvisionedThroughputExceededException"), (200, "")),
        (FaultKind::Broken, (500, "InternalFailure"), (500, "InternalFailure")),
    ] {
        front.stream.fail(fault);
        let put = json!({"StreamName": "events", "Data": "YQ==", "PartitionKey": "k"});
        let answer = ask(&front, "PutRecord", put).await;
        assert_eq!((answer.status.as_u16(), answer.json()["__type"].as_str()), (one.0, Some(one.1)));
        let put = json!({"StreamName": "events", "Records": [record, record]});
        let answer = ask(&front, "PutRecords", put).await;
        assert_eq!((answer.status.as_u16(), answer.json()["__type"].as_str().unwrap_or("")), many);
        if fault == FaultKind::Busy {
            assert_eq!(answer.json()["FailedRecordCount"], 2);
            assert_eq!(answer.json()["Records"][1]["ErrorCode"], "ProvisionedThroughputExceededException");
        }
    }
}

#[tokio::test]
async fn errors_are_those_of_kinesis() {
    let records = |count: usize| vec![json!({"Data": "YQ==", "PartitionKey": "k"}); count];
    let large = |bytes: usize| "AAAA".repeat(bytes / 3);
    let record = json!({"StreamName": "events", "Data": "YQ==", "PartitionKey": "k"});
    let with = |field: &str, value: Value| {
        let mut changed = record.clone();
        changed[field] = value;
        changed
    };
    let of_shard =
        |shard: &str, kind: &str| json!({"StreamName": "events", "ShardId": shard, "ShardIteratorType": kind});
    for (operation, request, expected) in [
        ("CreateStream", json!({}), "UnknownOperationException"),
        ("PutRecord", with("StreamName", json!("other")), "ResourceNotFoundException"),
        ("PutRecord", with("StreamARN", json!("arn:aws:kinesis:x:1:stream/other")), "ResourceNotFoundException"),
        ("PutRecord", with("StreamName", Value::Null), "ValidationException"),
        ("PutRecord", with("Data", Value::Null), "ValidationException"),
        ("PutRecord", with("Data", json!("?")), "SerializationException"),
        ("PutRecord", with("Data", json!(5)), "SerializationException"),
        ("PutRecord", with("Data", json!(large((1 << 20) + 3))), "ValidationException"),
        ("PutRecord", with("PartitionKey", json!("")), "ValidationException"),
        ("PutRecord", with("PartitionKey", json!("k".repeat(257))), "ValidationException"),
        ("PutRecord", with("ExplicitHashKey", json!("1".repeat(40))), "InvalidArgumentException"),
        ("PutRecords", json!({"StreamName": "events", "Records": []}), "ValidationException"),
        ("PutRecords", json!({"StreamName": "events", "Records": records(501)}), "ValidationException"),
        (
            "PutRecords",
            json!({"StreamName": "events", "Records": vec![json!({"Data": large(900 << 10), "PartitionKey": "k"}); 6]}),
            "InvalidArgumentException",
        ),
        ("GetShardIterator", of_shard("shardId-000000000009", "LATEST"), "ResourceNotFoundException"),
        ("GetShardIterator", of_shard(FIRST, "SOMEWHERE"), "ValidationException"),
        ("GetShardIterator", of_shard(FIRST, "AT_SEQUENCE_NUMBER"), "InvalidArgumentException"),
        ("GetShardIterator", of_shard(FIRST, "AT_TIMESTAMP"), "InvalidArgumentException"),
        ("GetRecords", json!({"ShardIterator": "AAAA"}), "InvalidArgumentException"),
        ("GetRecords", json!({"ShardIterator": "AAAA", "Limit": 0}), "ValidationException"),
        ("ListShards", json!({"NextToken": "!"}), "InvalidArgumentException"),
        ("ListShards", json!({"StreamName": "events", "MaxResults": 0}), "ValidationException"),
    ] {
        let front = front();
        let answer = ask(&front, operation, request).await;
        assert_eq!((answer.status.as_u16(), answer.json()["__type"].as_str()), (400, Some(expected)), "{operation}");
        assert_eq!(answer.header("x-amzn-requestid").len(), 36);
        assert!(front.stream.all().await.is_empty());
    }
    let cut = front().post("/", &[("x-amz-target", "Kinesis_20131202.PutRecord")], "{\"Data\":").await;
    assert_eq!(cut.json()["__type"], "SerializationException");
    assert_eq!(front().post("/", &[], "{}").await.json()["__type"], "UnknownOperationException");
}

#[tokio::test]
async fn the_stream_describes_itself() {
    let front = with_three_records().await;
    let described = ask(&front, "DescribeStream", json!({"StreamName": "events"})).await.json();
    let stream = &described["StreamDescription"];
    assert_eq!((&stream["StreamStatus"], &stream["HasMoreShards"]), (&json!("ACTIVE"), &json!(false)));
    let ends = [&stream["Shards"][0]["HashKeyRange"], &stream["Shards"][1]["HashKeyRange"]];
    assert_eq!(ends[0]["StartingHashKey"], "0");
    assert_eq!(ends[1]["EndingHashKey"], u128::MAX.to_string());
    assert_eq!(stream["Shards"][0]["SequenceNumberRange"], json!({"StartingSequenceNumber": "0"}));

    let arn = &stream["StreamARN"];
    let summary = ask(&front, "DescribeStreamSummary", json!({ "StreamARN": arn })).await.json();
    assert_eq!(summary["StreamDescriptionSummary"]["OpenShardCount"], 2);
    assert_eq!(summary["StreamDescriptionSummary"]["RetentionPeriodHours"], 24);
    assert_eq!(ask(&front, "ListStreams", json!({})).await.json()["StreamNames"], json!(["events"]));

    let page = ask(&front, "ListShards", json!({"StreamName": "events", "MaxResults": 1})).await.json();
    assert_eq!(page["Shards"][0]["ShardId"], FIRST);
    let rest = ask(&front, "ListShards", json!({"NextToken": page["NextToken"]})).await.json();
    assert_eq!((&rest["Shards"][0]["ShardId"], &rest["NextToken"]), (&json!("shardId-000000000001"), &Value::Null));
}

#[tokio::test]
async fn cbor_says_the_same_in_bytes() {
    use ciborium::Value as Cbor;
    async fn ask(front: &Front, operation: &str, request: Vec<(&str, Cbor)>) -> (u16, Vec<(Cbor, Cbor)>) {
        let request = Cbor::Map(request.into_iter().map(|(key, value)| (key.into(), value)).collect());
        let mut body = Vec::new();
        ciborium::into_writer(&request, &mut body).expect("memory");
        let target = format!("Kinesis_20131202.{operation}");
        let headers = [("x-amz-target", target.as_str()), ("content-type", "application/x-amz-cbor-1.1")];
        let answer = front.post("/", &headers, body).await;
        assert_eq!(answer.header("content-type"), "application/x-amz-cbor-1.1");
        let value: Cbor = ciborium::from_reader(&answer.body[..]).expect("CBOR");
        (answer.status.as_u16(), value.into_map().expect("a map"))
    }
    fn field(map: &[(Cbor, Cbor)], name: &str) -> Cbor {
        map.iter().find(|(key, _)| key.as_text() == Some(name)).map_or(Cbor::Null, |(_, value)| value.clone())
    }
    let front = front();
    let put = vec![
        ("StreamName", "events".into()),
        ("Data", Cbor::Bytes(vec![0, 0xff])),
        ("PartitionKey", "k".into()),
        ("ExplicitHashKey", "0".into()),
    ];
    assert_eq!(ask(&front, "PutRecord", put).await.0, 200);
    let at = Cbor::Tag(1, Box::new(Cbor::Integer(1_800_000_000_000i64.into())));
    let seek = vec![
        ("StreamName", "events".into()),
        ("ShardId", FIRST.into()),
        ("ShardIteratorType", "AT_TIMESTAMP".into()),
        ("Timestamp", at.clone()),
    ];
    let iterator = field(&ask(&front, "GetShardIterator", seek).await.1, "ShardIterator");
    let read = ask(&front, "GetRecords", vec![("ShardIterator", iterator)]).await.1;
    let record = field(&read, "Records").into_array().expect("records").remove(0).into_map().expect("a record");
    assert_eq!(field(&record, "Data"), Cbor::Bytes(vec![0, 0xff]));
    assert_eq!(field(&record, "ApproximateArrivalTimestamp"), at);
    let deep = [&b"\xa1\x61x"[..], &[0x81; 1000]].concat();
    for (body, says) in [
        (b"".to_vec(), "ends before"),
        (b"\xa1\x6aStreamName".to_vec(), "ends before"),
        (b"\x1c".to_vec(), "byte 0"),
        (b"\xff".to_vec(), "expected map"),
        (b"\xa1\x64Data\x05".to_vec(), "integer `5`, expected byte"),
        (deep, "nested too deeply"),
    ] {
        let headers = [("x-amz-target", "Kinesis_20131202.PutRecord"), ("content-type", "application/x-amz-cbor-1.1")];
        let answer = front.post("/", &headers, body.clone()).await;
        let refused: Cbor = ciborium::from_reader(&answer.body[..]).expect("CBOR");
        let refused = refused.into_map().expect("a map");
        assert_eq!(field(&refused, "__type"), "SerializationException".into());
        let message = field(&refused, "message").into_text().expect("a text");
        assert!(message.contains(says) && !message.contains(['{', '(']), "{}: {message}", body.escape_ascii());
    }
    let (status, refused) = ask(&front, "PutRecord", vec![("StreamName", "other".into())]).await;
    assert_eq!((status, field(&refused, "__type")), (400, "ResourceNotFoundException".into()));
}

#[tokio::test]
async fn with_access_keys_a_signature_is_needed() {
    let keys = vec![AccessKey { id: "AKID".into(), secret: Secret::new("secret") }];
    let front = front_with(Limits::default(), keys);
    assert_eq!(ask(&front, "ListStreams", json!({})).await.json()["__type"], "MissingAuthenticationTokenException");
    let forged =
        "AWS4-HMAC-SHA256 Credential=AKID/20270115/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=00";
    let headers = [
        ("x-amz-target", "Kinesis_20131202.ListStreams"),
        ("x-amz-date", "20270115T080000Z"),
        ("authorization", forged),
    ];
    assert_eq!(front.post("/", &headers, "{}").await.json()["__type"], "InvalidSignatureException");
}
