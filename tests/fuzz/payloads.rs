//! What wakes the functions. A function is a binary that nothing can link, so its reader of payloads is compiled in here.

#[path = "../../functions/ingest/src/batch.rs"]
mod batch;
#[path = "../../functions/drops/src/woken.rs"]
mod dropped;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cdp_drops::Address;
use cdp_event::Record;
use futures::executor::block_on;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::decoders::JSON;
use crate::memory::most_held;
use crate::platform::platform;
use crate::seeds::{kinesis_batches, notifications};
use crate::{fuzz, fuzz_one_in};
use batch::{Batch, Delivered, NotARecord, batches};
use dropped::{Attributes, Message, NotANotification, Woken};

/// A payload of 40 KB, and what it becomes.
const MEMORY_BYTES: usize = 1 << 20;

fn read(payload: &[u8]) -> Option<Result<Vec<Batch>, NotARecord>> {
    serde_json::from_slice(payload).ok().map(|delivered: Delivered| {
        let delivered_count = delivered.records.len();
        let told = delivered.records.iter().all(|record| record.kinesis.sequence_number.len() <= payload.len());
        assert!(told);
        let read = batches(delivered);
        if let Ok(batches) = &read {
            assert_eq!(batches.iter().map(|batch| batch.records.len()).sum::<usize>(), delivered_count);
        }
        read
    })
}

#[test]
fn records_that_are_delivered_are_batches_of_their_shards() {
    fuzz_one_in(2, &kinesis_batches(), &JSON, |bytes| {
        let held = most_held(|| match read(bytes) {
            Some(Ok(batches)) if batches.iter().all(is_in_time) => {
                assert_eq!(read(delivered(&batches).to_string().as_bytes()), Some(Ok(batches)));
            }
            Some(Ok(_)) | None => {}
            Some(Err(NotARecord(id))) => assert!(id.len() <= bytes.len()),
        });
        assert!(held <= MEMORY_BYTES, "{held} bytes of memory");
    });
}

fn is_in_time(batch: &Batch) -> bool {
    batch.records.iter().all(|record| record.arrived_at.is_in_range())
}

fn delivered(batches: &[Batch]) -> Value {
    let delivery = |shard: &str, record: &Record| {
        let (sequence, data) = (record.sequence.to_string(), STANDARD.encode(&record.data));
        let arrived_at = record.arrived_at.as_ms() as f64 / 1000.0;
        json!({
            "eventID": format!("{shard}:{sequence}"),
            "kinesis": { "partitionKey": record.partition_key, "data": data, "approximateArrivalTimestamp": arrived_at },
        })
    };
    let of_batch = |batch: &Batch| {
        let of_record = |record| delivery(batch.shard.as_str(), record);
        batch.records.iter().map(of_record).collect::<Vec<_>>()
    };
    json!({ "Records": batches.iter().flat_map(of_batch).collect::<Vec<_>>() })
}

#[test]
fn records_that_are_delivered_are_taken_in_or_refused() {
    fuzz_one_in(20, &kinesis_batches(), &JSON, |bytes| {
        let Some(Ok(batches)) = read(bytes) else { return };
        let platform = platform();
        for batch in batches {
            let taken = async { platform.open(batch.shard.clone()).await?.take_records(&batch.records, "web").await };
            if let Ok(report) = block_on(taken) {
                assert!(report.counts.add_up() && report.counts.received > 0);
            }
        }
    });
}

#[test]
fn objects_that_a_notification_names_are_named_again() {
    fuzz(&notifications(), &JSON, |bytes| {
        let Ok(body) = std::str::from_utf8(bytes) else { return };
        match addresses(&Message { body: body.to_owned(), attributes: Attributes::default() }) {
            Ok(addresses) => assert_eq!(sent(&notification(&addresses)), Some(Ok(addresses))),
            // It quotes what is wrong, each byte as six at most.
            Err(error) => assert!(error.to_string().len() < 6 * bytes.len() + 200, "{error}"),
        }
    });
}

#[test]
fn messages_of_a_queue_are_read_or_refused() {
    let seeds = crate::seeds_of(notifications(), |body| queued(&String::from_utf8_lossy(&body)).to_string().into());
    fuzz(&seeds, &JSON, |bytes| {
        let held = most_held(|| {
            let Ok(Woken { messages }) = serde_json::from_slice(bytes) else { return };
            messages.iter().filter_map(|message| addresses(message).ok()).flatten().for_each(check_address);
        });
        assert!(held <= MEMORY_BYTES, "{held} bytes of memory");
    });
}

/// Where a file is, and where its report goes.
fn check_address(address: Address) {
    let folder = address.source().map_or(0, |source| source.len() + 1);
    assert_eq!(folder + address.name().len(), address.key.len());
    assert!(address.report_key().ends_with(".json") && address.version.as_deref() != Some(""));
}

fn addresses(message: &Message) -> Result<Vec<Address>, NotANotification> {
    Ok(message.puts()?.into_iter().map(|put| put.address).collect())
}

fn notification(addresses: &[Address]) -> Value {
    let record = |Address { bucket, key, version }: &Address| {
        let key = utf8_percent_encode(key, NON_ALPHANUMERIC).to_string();
        let object = json!({ "key": key, "versionId": version });
        json!({ "eventName": "ObjectCreated:Put", "s3": { "bucket": { "name": bucket }, "object": object } })
    };
    json!({ "Records": addresses.iter().map(record).collect::<Vec<_>>() })
}

fn queued(body: &str) -> Value {
    json!({ "Records": [{ "messageId": "m", "body": body, "attributes": { "ApproximateReceiveCount": "1" } }] })
}

/// What comes of it on its way through the queue.
fn sent(notification: &Value) -> Option<Result<Vec<Address>, NotANotification>> {
    let woken: Woken = serde_json::from_value(queued(&notification.to_string())).ok()?;
    Some(addresses(woken.messages.first()?))
}
