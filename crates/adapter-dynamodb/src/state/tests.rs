use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use bytes::Bytes;
use cdp_ports::Condition;
use serde_json::{Value, json};

use super::*;

/// A table that gives one answer after the other, each a status and a body. What it is asked comes out at the other end.
fn table(answers: Vec<(u16, Value)>) -> (DynamoState, mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let (ask, asked) = mpsc::channel();
    std::thread::spawn(move || {
        for (status, body) in answers {
            let mut connection = BufReader::new(listener.accept().expect("a connection").0);
            let (mut line, mut length) = (String::new(), 0);
            while connection.read_line(&mut line).expect("a request") > 2 {
                if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = bytes.trim().parse().expect("a number");
                }
                line.clear();
            }
            let request = serde_json::from_reader(connection.by_ref().take(length)).expect("JSON");
            let head = format!("HTTP/1.1 {status} so\r\nconnection: close\r\ncontent-length: ");
            let body = body.to_string();
            write!(connection.get_mut(), "{head}{}\r\n\r\n{body}", body.len()).expect("somebody listens");
            let _ = ask.send(request);
        }
    });
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("key", "secret", None, None, "test")))
        .endpoint_url(endpoint)
        .build();
    (DynamoState::new(&config, "state"), asked)
}

/// Its answer is lost; then somebody else is at one of its items; then the first try is known again by its token.
#[tokio::test]
async fn a_transaction_that_is_tried_again_is_still_the_same() {
    let lost = json!({ "__type": "com.amazonaws.dynamodb.v20120810#InternalServerError" });
    let conflict = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "CancellationReasons": [{ "Code": "None" }, { "Code": "TransactionConflict" }],
    });
    let (state, asked) = table(vec![(500, lost), (400, conflict), (200, json!({}))]);
    let put = |sort: &str| Write::Put {
        key: Key::new("p", sort),
        body: Bytes::from_static(b"body"),
        condition: Condition::Absent,
    };
    let writes = vec![put("one"), put("other")];
    state.commit(Transaction { writes, durable: true }).await.expect("the third try");
    let tokens: HashSet<String> = asked.iter().map(|request| request["ClientRequestToken"].to_string()).collect();
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    assert!(!tokens.contains("null"));
}

#[test]
fn a_cancelled_transaction_is_a_next_step() {
    let key = Key::new("p", "s");
    for (codes, expected, passes) in [
        (&["ConditionalCheckFailed"][..], FaultKind::Stale, false),
        (&["TransactionConflict"], FaultKind::Busy, true),
        (&["TransactionConflict", "ConditionalCheckFailed"], FaultKind::Stale, false),
        (&["ThrottlingError", "ProvisionedThroughputExceeded"], FaultKind::Busy, true),
        (&["ValidationError"], FaultKind::Refused, false),
        (&["ThrottlingError", "ItemCollectionSizeLimitExceeded"], FaultKind::Refused, false),
    ] {
        let error = WriteError::cancelled(codes.iter().map(|code| (*code, &key)).collect());
        assert_eq!((error.fault.kind, error.may_pass), (expected, passes), "{codes:?}");
    }
}
