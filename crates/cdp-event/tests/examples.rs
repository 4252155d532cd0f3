//! The examples of `events/`: what is accepted yields what its sidecar states, what is rejected is refused for its folder's
//! reason and its name's field, and what is wrapped comes apart as its sidecar states.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use cdp_event::{
    Event, EventKind, Offset, Parts, RawEvent, Reason, Record, Rejection, Sequence, Timestamp, decode, validate,
};
use serde_json::{Map, Value, json};

/// When every example was received: 2026-01-31T09:30:00.000Z.
const RECEIVED: Timestamp = Timestamp::from_ms(1_769_851_800_000);

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events").join(name)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths
}

/// The files of a folder that have a sidecar, with what it states.
fn with_sidecars(name: &str) -> Vec<(String, Vec<u8>, Value)> {
    let is_sidecar = |path: &PathBuf| path.to_string_lossy().ends_with(".expected.json");
    let examples = files(&folder(name)).into_iter().filter(|path| !is_sidecar(path));
    examples
        .map(|path| {
            let sidecar = fs::read_to_string(path.with_extension("expected.json"))
                .unwrap_or_else(|error| panic!("{} has no sidecar: {error}", path.display()));
            let expected = serde_json::from_str(&sidecar).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (stem(&path), fs::read(&path).expect("readable"), expected)
        })
        .collect()
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn moment(stated: &Value) -> Option<Timestamp> {
    stated.as_str().map(|text| text.parse().unwrap_or_else(|error| panic!("{error}")))
}

/// `request`: what the event's request said beside the event.
fn raw<'a>(bytes: &'a [u8], request: &'a Value) -> RawEvent<'a> {
    RawEvent {
        offset: Offset::new(Sequence::from(7), 0),
        source: "examples".into(),
        received_at: RECEIVED,
        sent_at: moment(&request["sent_at"]),
        kind: request["kind"].as_str().map(|kind| kind.parse::<EventKind>().expect("a kind")),
        context: request["context"].as_object().map(|context| Cow::Owned(Value::Object(context.clone()).to_string())),
        bytes,
    }
}

/// An event in a sidecar's words. What is absent is left out.
fn in_words(event: &Event<'_>) -> Value {
    let mut words = json!({
        "kind": event.kind.as_str(),
        "message_id": without_digest(&event.message_id),
        "timestamp": event.timestamp.to_string(),
        "identifiers": event.identifiers.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    let optional = [
        ("original_timestamp", event.original_timestamp.map(|moment| moment.to_string())),
        ("sent_at", event.sent_at.map(|moment| moment.to_string())),
        ("alias", event.alias.as_ref().map(ToString::to_string)),
    ];
    for (name, text) in optional {
        if let Some(text) = text {
            words[name] = text.into();
        }
    }
    let facts = facts_in_words(event);
    if !facts.is_empty() {
        words["facts"] = facts.into();
    }
    words
}

fn facts_in_words(event: &Event<'_>) -> Map<String, Value> {
    let facts = &event.facts;
    let texts = [
        ("page_url", &facts.page_url),
        ("page_path", &facts.page_path),
        ("page_referrer", &facts.page_referrer),
        ("campaign_name", &facts.campaign_name),
        ("campaign_source", &facts.campaign_source),
        ("campaign_medium", &facts.campaign_medium),
        ("device_type", &facts.device_type),
        ("ip", &facts.ip),
        ("locale", &facts.locale),
        ("library_name", &facts.library_name),
        ("currency", &facts.currency),
        ("order_id", &facts.order_id),
    ];
    let stated = texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text.as_deref()?.into())));
    stated.chain(facts.revenue.map(|revenue| ("revenue".to_owned(), revenue.into()))).collect()
}

#[test]
fn accepted_examples_yield_what_they_state() {
    let examples = with_sidecars("accepted");
    assert!(examples.len() >= 40, "{} examples", examples.len());
    for (name, bytes, mut expected) in examples {
        let request = expected.as_object_mut().and_then(|stated| stated.remove("request")).unwrap_or_default();
        match validate(&raw(&bytes, &request)) {
            Ok(event) => assert_eq!(in_words(&event), expected, "{name}"),
            Err(rejection) => panic!("{name} is refused: {rejection}"),
        }
    }
}

/// What becomes of a record that holds one event.
fn judge(bytes: Vec<u8>) -> Result<(), Rejection> {
    let record = record(bytes);
    let parts = Parts::of(&record);
    decode(&record, &parts, "examples").try_for_each(|decoded| validate(&decoded.event?).map(drop))
}

fn record(bytes: Vec<u8>) -> Record {
    Record { sequence: Sequence::from(7), arrived_at: RECEIVED, partition_key: "k".into(), data: bytes.into() }
}

#[test]
fn rejected_examples_are_refused_for_their_folders_reason_and_their_names_field() {
    for reason in Reason::ALL {
        let examples = files(&folder("rejected").join(reason.as_str()));
        assert!(!examples.is_empty(), "no example of {}", reason.as_str());
        for path in examples {
            let name = stem(&path);
            let field = name.split_once('.').map(|(_, field)| field.to_owned());
            let judged = judge(fs::read(&path).expect("readable"));
            let shown = path.display();
            match reason {
                // Whether an identifier is a placeholder is for a deployment's rules to say.
                // Whether its profile has room is for the store.
                Reason::BlockedIdentifiers | Reason::ProfileFull => assert_eq!(judged, Ok(()), "{shown}"),
                // Rows belong to files, which are not taken apart here.
                Reason::BadRow => {}
                _ => {
                    let rejection = judged.err().unwrap_or_else(|| panic!("{shown} is accepted"));
                    assert_eq!(
                        (rejection.reason.as_str(), &rejection.field),
                        (reason.as_str(), &field),
                        "{shown}: {rejection}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_rejection_says_what_is_wrong() {
    let at = |timestamp: &str| format!(r#"{{"type":"identify","userId":"u","timestamp":"{timestamp}"}}"#);
    for (event, says) in [
        (r#"{"type":"alias","userId":"u"}"#.to_owned(), "an alias event has no `previousId`"),
        (r#"{"type":"group","userId":"u"}"#.to_owned(), "a group event has no `groupId`"),
        (r#"{"type":"track","userId":"u"}"#.to_owned(), "a track event has no `event`"),
        (at("0001-01-01T00:00:00Z"), "timestamp: \"0001-01-01T00:00:00Z\" is out of range (bad_timestamp)"),
        (at("9999-12-31T23:59:59Z"), "timestamp: \"9999-12-31T23:59:59Z\" is out of range (bad_timestamp)"),
        (at("2026-11-26T10:00:00+25:00"), "not a time: \"2026-11-26T10:00:00+25:00\""),
        (" ".repeat((32 << 10) + 1), "at most 32 KiB"),
    ] {
        let rejection = judge(event.into_bytes()).expect_err("refused");
        assert!(rejection.to_string().contains(says), "{rejection}");
    }
}

#[test]
fn every_rejected_folder_is_a_reason() {
    for path in files(&folder("rejected")) {
        assert!(Reason::ALL.iter().any(|reason| reason.as_str() == stem(&path)), "{}", path.display());
    }
}

#[test]
fn wrapped_examples_come_apart_as_they_state() {
    for (name, text, expected) in with_sidecars("wrapped") {
        let text = String::from_utf8(text).expect("base64").replace('\n', "");
        let record = record(BASE64.decode(text).expect("base64"));
        let parts = Parts::of(&record);
        let found: Vec<Value> = decode(&record, &parts, "examples")
            .map(|part| match part.event {
                Err(rejection) => json!({ "source": part.source, "rejected": rejection.reason.as_str() }),
                Ok(raw) => part_in_words(&raw),
            })
            .collect();
        assert_eq!(Value::from(found), expected["parts"], "{name}");
    }
}

fn part_in_words(raw: &RawEvent<'_>) -> Value {
    let mut words = json!({ "source": raw.source });
    match std::str::from_utf8(raw.bytes) {
        Ok(text) => words["event"] = text.into(),
        Err(_) => words["bytes"] = BASE64.encode(raw.bytes).into(),
    }
    if raw.source != "examples" {
        words["received_at"] = raw.received_at.to_string().into();
    }
    if let Some(context) = &raw.context {
        words["context"] = serde_json::from_str(context).expect("JSON");
    }
    words
}

/// A message id that was made from a position ends with a digest, which an example does not state.
fn without_digest(message_id: &str) -> &str {
    let made = message_id.starts_with("pos-").then(|| message_id.rsplit_once('-')).flatten();
    made.map_or(message_id, |(position, _)| position)
}
