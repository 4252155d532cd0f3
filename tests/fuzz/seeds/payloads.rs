//! What AWS wakes functions with, and what it finds in their queues.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cdp_app::{Choice, ReplayJob};
use cdp_event::Timestamp;
use serde_json::json;

use super::{MOMENT, aggregates, envelopes, events, place};

/// Three records each, of two shards.
pub fn kinesis_batches() -> Vec<Vec<u8>> {
    let sequence = place().1.sequence.to_string();
    let delivery = |(at, data): (usize, &Vec<u8>)| {
        let shard = format!("shardId-00000000000{}", at % 2);
        json!({
            "eventSource": "aws:kinesis", "eventID": format!("{shard}:{sequence}"), "eventName": "aws:kinesis:record",
            "kinesis": {
                "kinesisSchemaVersion": "1.0", "partitionKey": "k", "sequenceNumber": &sequence,
                "data": STANDARD.encode(data), "approximateArrivalTimestamp": MOMENT.as_ms() as f64 / 1000.0,
            },
        })
    };
    let data = [events(), envelopes(), aggregates()].concat();
    let batches =
        data.chunks(3).map(|some| json!({ "Records": some.iter().enumerate().map(delivery).collect::<Vec<_>>() }));
    batches.step_by(5).map(|batch| batch.to_string().into_bytes()).collect()
}

/// Bodies of messages in the queue of drops.
pub fn notifications() -> Vec<Vec<u8>> {
    let created = |key: &str, version: Option<&str>| {
        json!({
            "eventVersion": "2.1", "eventName": "ObjectCreated:Put", "awsRegion": "eu-central-1",
            "s3": { "bucket": { "name": "drops" }, "object": { "key": key, "size": 3, "versionId": version } },
        })
    };
    let removed = json!({
        "eventName": "ObjectRemoved:Delete", "s3": { "bucket": { "name": "drops" }, "object": { "key": "partner/a" } },
    });
    let several = [created("partner/J%C3%B6rg+%2B+co/a%2520b.csv", Some("null")), removed];
    let bodies = [
        json!({ "Records": [created("partner/a.csv", Some("v1"))] }),
        json!({ "Records": several }),
        json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "drops" }),
    ];
    bodies.map(|body| body.to_string().into_bytes()).to_vec()
}

pub fn replay_jobs() -> Vec<Vec<u8>> {
    let all =
        Choice { source: Some("web".to_owned()), since: Some(Timestamp::from_ms(-5)), until: Some(MOMENT.plus_ms(9)) };
    let jobs = [
        ReplayJob::of_quarantine(None, Choice::default(), "jane", MOMENT, 7),
        ReplayJob::of_quarantine(Some("not_json".to_owned()), all.clone(), "jane", MOMENT, 7),
        ReplayJob::of_events("s3://old/lake", all, "jane", MOMENT),
    ];
    jobs.map(|job| job.to_json().into_bytes()).to_vec()
}
