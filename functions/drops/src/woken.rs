//! What woke the function: messages of SQS, each with a notification of S3.

use cdp_drops::Address;
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
    #[serde(rename = "versionId")]
    version: Option<String>,
}

impl Message {
    /// The objects that were created.
    pub fn addresses(&self) -> Result<Vec<Address>, NotANotification> {
        let Notification { records, event } =
            serde_json::from_str(&self.body).map_err(|error| NotANotification(told(&error)))?;
        match (records, event.as_deref()) {
            (Some(records), _) => {
                let created = records.into_iter().filter(|record| record.event.starts_with("ObjectCreated:"));
                created.map(|record| record.s3.address().map_err(NotANotification)).collect()
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

impl Place {
    fn address(self) -> Result<Address, String> {
        let Object { key, version } = self.object;
        // As in a form: a space is a plus, and a plus is escaped.
        let spaced = key.replace('+', " ");
        let key = percent_decode_str(&spaced).decode_utf8().map_err(|_| format!("the key {key:?} is not UTF-8"))?;
        let version = version.filter(|version| !version.is_empty() && version != "null");
        Ok(Address { bucket: self.bucket.name, key: key.into_owned(), version })
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

    /// Each object that was created, as `key version`; or why it is no notification.
    fn check(body: &str, expected: Result<&[&str], &str>) {
        let addresses = Message { body: body.to_owned() }.addresses();
        let told = addresses.map(|addresses| {
            let short = |address: Address| format!("{} {}", address.key, address.version.as_deref().unwrap_or("-"));
            addresses.into_iter().map(short).collect::<Vec<_>>()
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
    fn anything_else_is_told() {
        check("hello", Err("it is not JSON"));
        check(r#"{"Records":"of Jane"}"#, Err("a value is of another kind at line 1 column 20"));
        check("{}", Err("it has no Records"));
        check(r#"{"Records":[{"eventName":"ObjectCreated:Put"}]}"#, Err("missing field `s3`"));
        check(&format!(r#"{{"Records":[{}]}}"#, record("ObjectCreated:Put", "p/%ff", "")), Err("is not UTF-8"));
    }
}
