//! events → rows → replay → rows is the identity, but for the places of the rows.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use cdp_event::{EventKind, Offset, PartitionId, Parts, RawEvent, Record, Rejection, Sequence, decode, validate};
use cdp_identity::ProfileId;
use cdp_lake::rows::EventRows;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const RECEIVED: Timestamp = Timestamp::from_ms(1_769_851_800_000);
const PLACE: Offset = Offset::new(Sequence::new(7), 0);

fn row(raw: &RawEvent<'_>) -> Result<RecordBatch, Rejection> {
    let event = validate(raw)?;
    let mut rows = EventRows::default();
    rows.push(&PartitionId::new("shard"), &event, ProfileId::from_bytes([7; 16]));
    Ok(rows.finish().expect("columns of one length"))
}

/// The row that ingest makes of what replay sends.
fn again(row_of_old: &RecordBatch) -> Result<RecordBatch, Rejection> {
    let record = Rows::of(row_of_old).and_then(|rows| rows.record(0)).expect("a row of this release");
    let record = Record {
        sequence: PLACE.sequence,
        arrived_at: RECEIVED.plus_ms(86_400_000),
        partition_key: record.partition_key.into(),
        data: record.data,
    };
    let parts = Parts::of(&record);
    let decoded = decode(&record, &parts, "stream").next().expect("one event");
    row(&decoded.event?)
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events").join(folder);
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("examples").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    paths
}

#[test]
fn accepted_examples_come_back_as_they_were() {
    let mut compared = 0;
    for path in files("accepted").into_iter().filter(|path| !path.to_string_lossy().ends_with(".expected.json")) {
        let sidecar = fs::read_to_string(path.with_extension("expected.json")).expect("a sidecar");
        let request = serde_json::from_str::<Value>(&sidecar).expect("JSON")["request"].take();
        let bytes = fs::read(&path).expect("readable");
        let raw = RawEvent {
            offset: PLACE,
            source: "examples".into(),
            received_at: RECEIVED,
            sent_at: request["sent_at"].as_str().map(|text| text.parse().expect("a moment")),
            kind: request["kind"].as_str().map(|kind| kind.parse::<EventKind>().expect("a kind")),
            context: request["context"].as_object().map(|context| Cow::Owned(json!(context).to_string())),
            bytes: &bytes,
        };
        let name = path.file_stem().expect("a name").to_string_lossy();
        let row = row(&raw).unwrap_or_else(|rejection| panic!("{name} is refused: {rejection}"));
        match again(&row) {
            Ok(again) => assert_eq!(again, row, "{name}"),
            // There is no room for the message id that the platform gave it.
            Err(rejection) => assert_eq!((&*name, rejection.reason.as_str()), ("exactly_32_kib", "too_large")),
        }
        compared += 1;
    }
    assert!(compared >= 40, "{compared} examples");
}

#[test]
fn context_that_a_whole_request_shared_has_room() {
    let shared = json!({ "blob": "x".repeat(MAX_EVENT_BYTES), "ip": "10.0.0.1" }).to_string();
    let raw = RawEvent {
        context: Some(Cow::Owned(shared)),
        ..RawEvent::plain(PLACE, "web", RECEIVED, br#"{"type":"track","userId":"jane","event":"Seen","messageId":"m"}"#)
    };
    let row = row(&raw).expect("a sound event");
    assert_eq!(again(&row), Ok(row));
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9]{1,12}", "\\PC{1,20}", Just("quotes \" and \\ and é and \u{1f600}".to_owned())]
}

fn moment() -> impl Strategy<Value = String> {
    (-2_000_000_000_000i64..4_000_000_000_000).prop_map(|ms| Timestamp::from_ms(ms).to_string())
}

fn object() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no such number", |number| number.is_finite()).prop_map(Value::from),
        Just(Value::Null),
        Just(json!(true)),
    ];
    let value = scalar.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(text(), inner, 0..4).prop_map(|map| json!(map)),
        ]
    });
    let known = prop_oneof![
        Just("email"),
        Just("phone"),
        Just("revenue"),
        Just("currency"),
        Just("order_id"),
        Just("ip"),
        Just("locale")
    ];
    let key = prop_oneof![known.prop_map(str::to_owned), text()];
    prop::collection::hash_map(key, value, 0..5).prop_map(|map| json!(map))
}

fn event() -> impl Strategy<Value = Value> {
    let ids = (text(), prop::option::of(text()), prop::option::of(text()), prop::option::of(text()));
    let names = (prop::option::of("[a-z-]{1,40}"), text(), prop::option::of(text()));
    let times = (prop::option::of(moment()), prop::option::of(moment()), prop::option::of(moment()));
    let parts = (prop::option::of(object()), prop::option::of(object()), prop::option::of(object()));
    let kind = prop::sample::select(EventKind::ALL.to_vec());
    (kind, ids, names, times, parts, any::<bool>()).prop_map(|(kind, ids, names, times, parts, sends_nulls)| {
        let mut event = json!({
            "type": kind.as_str(), "userId": ids.0, "anonymousId": ids.1, "groupId": ids.2, "previousId": ids.3,
            "messageId": names.0, "event": names.1, "name": names.2,
            "timestamp": times.0, "originalTimestamp": times.1, "sentAt": times.2,
            "properties": parts.0, "traits": parts.1, "context": parts.2,
        });
        if let Some(fields) = event.as_object_mut().filter(|_| !sends_nulls) {
            fields.retain(|_, value| !value.is_null());
        }
        event
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn any_event_comes_back_as_it_was(
        event in event(),
        shared in prop::option::of(object()),
        sent_at in prop::option::of(-2_000_000_000_000i64..4_000_000_000_000),
        is_pretty in any::<bool>(),
    ) {
        let bytes = if is_pretty { serde_json::to_vec_pretty(&event) } else { serde_json::to_vec(&event) };
        let bytes = Bytes::from(bytes.expect("JSON"));
        let raw = RawEvent {
            sent_at: sent_at.map(Timestamp::from_ms),
            context: shared.map(|context| Cow::Owned(context.to_string())),
            ..RawEvent::plain(PLACE, "web", RECEIVED, &bytes)
        };
        // What is refused has no row.
        if let Ok(row) = row(&raw) {
            prop_assert_eq!(again(&row), Ok(row));
        }
    }
}
