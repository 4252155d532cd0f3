//! The examples of `events/webhooks/`: a folder for each sender, with its part of `cdp.toml` and `secrets.toml`, and of each
//! call the body, the headers, and what it comes to. `CDP_UPDATE_SNAPSHOTS=1` writes the latter anew.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use std::fs;
use std::path::{Path, PathBuf};

use cdp_event::{Timestamp, validate};
use cdp_webhooks::{Headers, NotSigned, Webhook};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/webhooks")
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn webhook_of(folder: &Path) -> Webhook {
    let document: toml::Table = text(&folder.join("cdp.toml")).parse().expect("TOML");
    let secrets: toml::Table = text(&folder.join("secrets.toml")).parse().expect("TOML");
    let (name, settings) = document["webhooks"].as_table().and_then(|table| table.iter().next()).expect("a webhook");
    let secrets = match &secrets["webhooks"][name.as_str()] {
        toml::Value::Array(list) => list.iter().filter_map(toml::Value::as_str).collect(),
        one => vec![one.as_str().expect("a secret")],
    };
    let settings = settings.clone().try_into().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    Webhook::new(name, &settings, secrets).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}

struct Call {
    shown: String,
    body: Vec<u8>,
    received_at: Timestamp,
    headers: Vec<(String, String)>,
    expected: PathBuf,
}

fn calls_in(folder: &Path) -> Vec<Call> {
    let is_body = |path: &PathBuf| {
        let name = path.to_string_lossy();
        !name.ends_with(".toml") && !name.ends_with(".call.json") && !name.ends_with(".expected.json")
    };
    let call = |path: PathBuf| {
        let said: Value = serde_json::from_str(&text(&path.with_extension("call.json"))).expect("JSON");
        let headers = said["headers"].as_object().expect("headers").iter();
        Call {
            shown: path.display().to_string(),
            body: fs::read(&path).expect("readable"),
            received_at: said["received_at"].as_str().and_then(|text| text.parse().ok()).expect("a time"),
            headers: headers.map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned())).collect(),
            expected: path.with_extension("expected.json"),
        }
    };
    sorted(folder).into_iter().filter(is_body).map(call).collect()
}

impl Call {
    fn headers(&self) -> Headers<'_> {
        Headers::of(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
    }
}

/// Events as they go on; of what is refused, why.
fn told(webhook: &Webhook, call: &Call) -> Value {
    let batch = webhook.events(&call.headers(), &call.body, 1000);
    let rows = batch.decoded(webhook.name(), call.received_at);
    let told = rows.iter().map(|row| match &row.event {
        Ok(event) => {
            validate(event).unwrap_or_else(|rejection| panic!("{}: {rejection}", call.shown));
            serde_json::from_slice(event.bytes).expect("JSON")
        }
        Err(rejection) => {
            json!({ "refused": rejection.reason.as_str(), "field": rejection.field, "detail": rejection.detail })
        }
    });
    told.collect()
}

#[test]
fn each_call_is_believed_and_comes_to_what_it_states() {
    for folder in sorted(&folder()) {
        let webhook = webhook_of(&folder);
        let calls = calls_in(&folder);
        assert!(!calls.is_empty(), "{} has no calls", folder.display());
        for call in calls {
            assert_eq!(webhook.verify(&call.headers(), &call.body, call.received_at), Ok(()), "{}", call.shown);
            let told = told(&webhook, &call);
            if std::env::var_os("CDP_UPDATE_SNAPSHOTS").is_some_and(|value| value == "1") {
                let pretty = serde_json::to_string_pretty(&told).expect("JSON");
                fs::write(&call.expected, pretty + "\n").expect("a writable checkout");
            }
            let expected: Value = serde_json::from_str(&text(&call.expected)).expect("JSON");
            assert_eq!(told, expected, "{}", call.shown);
        }
    }
}

#[test]
fn no_call_is_believed_once_a_byte_of_it_is_another() {
    for folder in sorted(&folder()) {
        let webhook = webhook_of(&folder);
        for call in calls_in(&folder) {
            for at in 0..call.body.len() {
                let mut body = call.body.clone();
                body[at] ^= 1;
                let told = webhook.verify(&call.headers(), &body, call.received_at);
                assert_eq!(told, Err(NotSigned::Wrong), "{}, byte {at}", call.shown);
            }
        }
    }
}

#[test]
fn the_documentation_shows_the_examples_as_they_are() {
    let documentation = text(&folder().join("../../docs/webhooks.md"));
    for folder in sorted(&folder()) {
        let settings = text(&folder.join("cdp.toml"));
        assert!(documentation.contains(&format!("```toml\n{settings}```\n")), "{}", folder.display());
    }
}
