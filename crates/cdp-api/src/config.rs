//! What a deployment decides about the front. Read elsewhere, checked here once, before the first request.

use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use cdp_event::MAX_EVENT_BYTES;
use cdp_webhooks::Webhook;

#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// What the Kinesis API calls the stream.
    pub stream_name: String,
    /// Who may send through the tracking API.
    pub sources: Vec<Source>,
    /// Third parties whose signed calls are taken.
    pub webhooks: Vec<Webhook>,
    /// Who may use the Kinesis API. Empty: whoever reaches it, and signatures are not looked at.
    pub access_keys: Vec<AccessKey>,
    pub limits: Limits,
}

#[derive(Clone, Debug)]
pub struct Source {
    pub name: String,
    pub write_key: Secret,
    /// Events above this rate are answered with 429. `None`: as fast as the stream takes them.
    pub events_per_second: Option<NonZeroU32>,
}

#[derive(Clone, Debug)]
pub struct AccessKey {
    pub id: String,
    pub secret: Secret,
}

/// Text that does not print itself.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of a request's body as it is sent.
    pub request_bytes: usize,
    /// Of a request's body once inflated.
    pub inflated_bytes: usize,
    pub batch_events: usize,
    /// Of an event that is sent alone, and of the context that a batch shares. In a batch a larger event is taken, and goes
    /// to quarantine.
    pub event_bytes: usize,
    /// Of the context that a batch shares, once it is copied to each of its events.
    pub shared_bytes: usize,
    /// Of a record of the stream, with its partition key and its envelope. Of a larger event the record holds the head.
    pub record_bytes: usize,
    /// How long a body may take to arrive.
    pub body_within: Duration,
}

impl Default for Limits {
    /// More generous than Segment (500 KB and 2,500 events): an SDK drops what it is refused.
    fn default() -> Self {
        Self {
            request_bytes: 4 << 20,
            inflated_bytes: 8 << 20,
            batch_events: 10_000,
            event_bytes: MAX_EVENT_BYTES,
            shared_bytes: 32 << 20,
            record_bytes: 1 << 20,
            body_within: Duration::from_secs(30),
        }
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadConfig {
    #[error("source {0:?} has no write key; give it one of 1 to 128 letters, digits, `-` or `_`")]
    BadWriteKey(String),
    #[error("source {0:?} has the write key of another source; give each source its own")]
    SharedWriteKey(String),
    #[error("an access key has no id or no secret; give it both")]
    BadAccessKey,
    #[error("{0:?} is no name for a stream; use 1 to 128 letters, digits, `.`, `-` or `_`")]
    BadStreamName(String),
}

impl ApiConfig {
    pub(crate) fn check(&self) -> Result<(), BadConfig> {
        if !is_name(&self.stream_name, "._-") {
            return Err(BadConfig::BadStreamName(self.stream_name.clone()));
        }
        let mut taken = HashSet::new();
        for source in &self.sources {
            if !is_name(source.write_key.expose(), "_-") {
                return Err(BadConfig::BadWriteKey(source.name.clone()));
            }
            if !taken.insert(&source.write_key) {
                return Err(BadConfig::SharedWriteKey(source.name.clone()));
            }
        }
        if self.access_keys.iter().any(|key| key.id.is_empty() || key.secret.expose().is_empty()) {
            return Err(BadConfig::BadAccessKey);
        }
        Ok(())
    }
}

fn is_name(text: &str, marks: &str) -> bool {
    (1..=128).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
}

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(stream: &str, write_keys: &[&str]) -> ApiConfig {
        let source = |key: &&str| Source { name: "s".into(), write_key: Secret::new(*key), events_per_second: None };
        ApiConfig {
            stream_name: stream.into(),
            sources: write_keys.iter().map(source).collect(),
            webhooks: Vec::new(),
            access_keys: Vec::new(),
            limits: Limits::default(),
        }
    }

    #[test]
    fn a_wrong_setting_stops_the_start() {
        for (stream, write_keys, expected) in [
            ("events", &["a", "b"][..], Ok(())),
            ("", &[], Err(BadConfig::BadStreamName(String::new()))),
            ("a/b", &[], Err(BadConfig::BadStreamName("a/b".into()))),
            ("events", &[""], Err(BadConfig::BadWriteKey("s".into()))),
            ("events", &["a:b"], Err(BadConfig::BadWriteKey("s".into()))),
            ("events", &["a", "a"], Err(BadConfig::SharedWriteKey("s".into()))),
        ] {
            assert_eq!(config(stream, write_keys).check(), expected, "{stream} {write_keys:?}");
        }
    }

    #[test]
    fn a_secret_does_not_print_itself() {
        assert!(!format!("{:?}", config("events", &["hush"])).contains("hush"));
    }
}
