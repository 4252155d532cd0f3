//! What woke the function: messages of SQS, each with a notification of S3.

use cdp_drops::{Address, Stamp};
use cdp_event::Timestamp;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::error::Category;

#[derive(Debug, Deserialize)]
pub struct Woken {
    #[serde(rename = "Records")]
    pub messages: Vec<Message>,
}

#[derive(Debug, Deserialize)]
pub struct Message {
    pub body: String,
    #[serde(default)]
    pub attributes: Attributes,
}

#[derive(Debug, Default, Deserialize)]
pub struct Attributes {
    #[serde(rename = "ApproximateReceiveCount")]
    pub received: Option<String>,
}

/// An object that was put.
#[derive(Debug, PartialEq, Eq)]
pub struct Put {
    pub address: Address,
    /// As far as the notification tells: the object may be one that can't be opened.
    pub stamp: Stamp,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a message is no notification of S3: {0}; look who sends to the queue of drops")]
pub struct NotANotification(String);

#[derive(Debug, Deserialize)]
struct Notification {
    #[serde(rename = "Records")]
    records: Option<Vec<Record>>,
    #[serde(rename = "Event")]
    event: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Record {
    #[serde(rename = "eventName")]
    event: String,
    #[serde(rename = "eventTime")]
    time: Option<String>,
    s3: Place,
}

#[derive(Debug, Deserialize)]
struct Place {
    bucket: Bucket,
    object: Object,
}

#[derive(Debug, Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Object {
    key: String,
    #[serde(default)]
    size: u64,
    #[serde(rename = "eTag", default)]
    tag: String,
    #[serde(rename = "versionId")]
    version: Option<String>,
}

impl Message {
    /// Which try this is, of those that the queue allows.
    pub fn tries(&self) -> u32 {
        self.attributes.received.as_ref().and_then(|times| times.parse().ok()).unwrap_or(1)
    }

    /// The objects that were created.
    pub fn puts(&self) -> Result<Vec<Put>, NotANotification> {
        let Notification { records, event } =
            serde_json::from_str(&self.body).map_err(|error| NotANotification(told(&error)))?;
        match (records, event.as_deref()) {
            (Some(records), _) => {
                let created = records.into_iter().filter(|record| record.event.starts_with("ObjectCreated:"));
                created.map(|record| record.put().map_err(NotANotification)).collect()
            }
            // S3 tries whether it may send, when it is told to.
            (None, Some("s3:TestEvent")) => Ok(vec![]),
            (None, _) => Err(NotANotification("it has no Records".to_owned())),
        }
    }
}

/// Without values of the body: it is somebody's, and may be long.
fn told(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match error.classify() {
        Category::Data if text.starts_with("missing field") => text,
        Category::Data => format!("a value is of another kind at line {} column {}", error.line(), error.column()),
        Category::Io | Category::Syntax | Category::Eof => "it is not JSON".to_owned(),
    }
}

impl Record {
    fn put(self) -> Result<Put, String> {
        let Place { bucket, object: Object { key, size, tag, version } } = self.s3;
        // As in a form: a space is a plus, and a plus is escaped.
        let spaced = key.replace('+', " ");
        let key = percent_decode_str(&spaced).decode_utf8().map_err(|_| format!("the key {key:?} is not UTF-8"))?;
        let version = version.filter(|version| !version.is_empty() && version != "null");
        let address = Address { bucket: bucket.name, key: key.into_owned(), version };
        let put_at = self.time.and_then(|time| time.parse().ok()).map_or(0, Timestamp::as_ms);
        // S3 tells an object's own time in whole seconds.
        let modified_ns = put_at.div_euclid(1000).saturating_mul(1_000_000_000);
        let stamp = Stamp { bytes: size, modified_ns, mark: address.mark(&format!("\"{tag}\"")) };
        Ok(Put { address, stamp })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(event: &str, key: &str, version: &str) -> String {
        format!(
            r#"{{"eventVersion":"2.1","eventName":"{event}","s3":{{"bucket":{{"name":"drops","arn":"a"}},"object":{{"key":"{key}","size":3{version}}}}}}}"#
        )
    }

    fn message(body: &str) -> Message {
        Message { body: body.to_owned(), attributes: Attributes::default() }
    }

    /// Each object that was created, as `key version`; or why it is no notification.
    fn check(body: &str, expected: Result<&[&str], &str>) {
        let puts = message(body).puts();
        let told = puts.map(|puts| {
            let short = |Put { address, .. }| format!("{} {}", address.key, address.version.as_deref().unwrap_or("-"));
            puts.into_iter().map(short).collect::<Vec<_>>()
        });
        match (told, expected) {
            (Ok(told), Ok(expected)) => assert_eq!(told, expected, "{body}"),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{body}: {error}"),
            (told, _) => panic!("{body}: {told:?}"),
        }
    }

    #[test]
    fn a_notification_names_what_was_created() {
        let put = |key, version| format!(r#"{{"Records":[{}]}}"#, record("ObjectCreated:Put", key, version));
        check(&put("partner/a.csv", ""), Ok(&["partner/a.csv -"]));
        check(&put("partner/a.csv", r#","versionId":"v1""#), Ok(&["partner/a.csv v1"]));
        check(&put("partner/a.csv", r#","versionId":"null""#), Ok(&["partner/a.csv -"]));
        check(&put("partner/J%C3%B6rg+%2B+co/a%2520b.csv", ""), Ok(&["partner/Jörg + co/a%20b.csv -"]));
        let several = [record("ObjectCreated:Copy", "p/a", ""), record("ObjectRemoved:Delete", "p/b", "")].join(",");
        check(&format!(r#"{{"Records":[{several}]}}"#), Ok(&["p/a -"]));
        check(r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"drops"}"#, Ok(&[]));
    }

    #[test]
    fn an_object_is_stamped_as_far_as_the_notification_tells() {
        let told = r#"{"Records":[{"eventName":"ObjectCreated:Put","eventTime":"2026-01-31T09:30:00.250Z","s3":{"bucket":
            {"name":"drops"},"object":{"key":"p/a","size":7,"eTag":"5d41","versionId":"v1"}}}]}"#;
        let stamp = |body: &str| message(body).puts().expect("a notification").remove(0).stamp;
        let expected = Stamp { bytes: 7, modified_ns: 1_769_851_800_000_000_000, mark: "v1 \"5d41\"".to_owned() };
        assert_eq!(stamp(told), expected);
        let bare = r#"{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"drops"},"object":{"key":"p/a"}}}]}"#;
        assert_eq!(stamp(bare), Stamp { bytes: 0, modified_ns: 0, mark: "unversioned \"\"".to_owned() });
    }

    #[test]
    fn a_message_tells_which_try_it_is() {
        for (attributes, tries) in [
            (r#","attributes":{"ApproximateReceiveCount":"5","SentTimestamp":"1"}"#, 5),
            (r#","attributes":{"ApproximateReceiveCount":"many"}"#, 1),
            ("", 1),
        ] {
            let message: Message = serde_json::from_str(&format!(r#"{{"body":"b"{attributes}}}"#)).expect("a message");
            assert_eq!(message.tries(), tries, "{attributes}");
        }
    }

    #[test]
    fn anything_else_is_told() {
        check("hello", Err("it is not JSON"));
        check(r#"{"Records":"of Jane"}"#, Err("a value is of another kind at line 1 column 20"));
        check("{}", Err("it has no Records"));
        check(r#"{"Records":[{"eventName":"ObjectCreated:Put"}]}"#, Err("missing field `s3`"));
        check(&format!(r#"{{"Records":[{}]}}"#, record("ObjectCreated:Put", "p/%ff", "")), Err("is not UTF-8"));
    }
}
