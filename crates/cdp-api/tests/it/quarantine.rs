//! Whatever is refused, by whichever door it came in: its sender is told, or it is in quarantine with its bytes and the reason.

use std::fs;
use std::path::{Path, PathBuf};

use adapter_memory::{MemoryLake, MemoryState};
use arrow::array::AsArray;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cdp_app::{Committer, Ingest};
use cdp_identity::Rules;
use cdp_ports::{Stream, TableName};
use serde_json::json;
use serde_json::value::RawValue;

use crate::front::{Front, WEB, front};
use crate::people::Ticks;

/// The examples of `events/rejected`: reason and bytes. Rows of files come in by another door.
fn examples() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/rejected");
    let entries = |folder: &Path| fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable").path());
    let mut examples = Vec::new();
    // Rows are of files; and the memory's profiles are never full.
    let comes_by_http = |path: &PathBuf| !path.ends_with("bad_row") && !path.ends_with("profile_full");
    for reason in entries(&folder).filter(comes_by_http) {
        let name = reason.file_name().expect("a name").to_string_lossy().into_owned();
        examples.extend(entries(&reason).map(|path| (name.clone(), fs::read(path).expect("readable"))));
    }
    examples.sort();
    assert!(examples.len() > 180, "{} examples", examples.len());
    examples
}

/// Reason and bytes of each row of the table, once all that stands in the stream was taken in.
pub async fn quarantine(front: &Front) -> Vec<(String, Vec<u8>)> {
    let rules = Rules::default();
    let ingest = Ingest { state: MemoryState::default(), lake: MemoryLake::default(), clock: Ticks::default(), rules };
    for shard in front.stream.partitions().await.expect("memory") {
        let records = front.stream.read(&shard, None, usize::MAX, usize::MAX).await.expect("memory");
        let mut worker = ingest.open(shard).await.expect("memory");
        worker.take_records(&records, "events").await.expect("memory");
    }
    let committer = Committer { state: &ingest.state, lake: &ingest.lake, table: TableName::Quarantine };
    committer.drain().await.expect("memory");
    let mut rows = Vec::new();
    for batch in ingest.lake.rows(TableName::Quarantine) {
        let text = |name: &str| batch.column_by_name(name).expect("a column").as_string::<i32>().clone();
        let (reasons, details, remedies) = (text("reason"), text("detail"), text("remedy"));
        let bytes = batch.column_by_name("bytes").expect("a column").as_binary::<i32>();
        for row in 0..batch.num_rows() {
            assert!(!details.value(row).is_empty() && !remedies.value(row).is_empty());
            rows.push((reasons.value(row).to_owned(), bytes.value(row).to_vec()));
        }
    }
    rows.sort();
    rows
}

#[tokio::test]
async fn records_of_the_kinesis_api_are_kept_just_as_they_came() {
    let front = front();
    let headers = [("x-amz-target", "Kinesis_20131202.PutRecords"), ("content-type", "application/x-amz-json-1.1")];
    for some in examples().chunks(400) {
        let record = |(at, (_, bytes)): (usize, &(String, Vec<u8>))| json!({"Data": STANDARD.encode(bytes), "PartitionKey": at.to_string()});
        let records: Vec<_> = some.iter().enumerate().map(record).collect();
        let put = front.post("/", &headers, json!({"StreamName": "events", "Records": records}).to_string()).await;
        assert_eq!((put.status.as_u16(), put.json()["FailedRecordCount"].as_u64()), (200, Some(0)));
    }
    // An envelope that could be taken off was taken off.
    let plain = |rows: Vec<(String, Vec<u8>)>| {
        rows.into_iter().filter(|(reason, _)| reason != "bad_envelope").collect::<Vec<_>>()
    };
    let (kept, sent) = (quarantine(&front).await, examples());
    assert_eq!(kept.len(), sent.len());
    assert_eq!(plain(kept), plain(sent));
}

#[tokio::test]
async fn events_of_a_batch_are_kept_just_as_they_came() {
    let front = front();
    let is_json =
        |bytes: &[u8]| std::str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<&RawValue>(text).is_ok());
    let trimmed = |(reason, bytes): (String, Vec<u8>)| (reason, bytes.trim_ascii().to_vec());
    let mut sent: Vec<_> = examples().into_iter().filter(|(_, bytes)| is_json(bytes)).map(trimmed).collect();
    let events: Vec<&[u8]> = sent.iter().map(|(_, bytes)| &bytes[..]).collect();
    assert!(events.len() > 100, "{}", events.len());
    let body = [b"{\"batch\":[", &events.join(&b',')[..], b"]}"].concat();
    assert_eq!(front.post("/v1/batch", &[WEB], body).await.status, 200);
    sent.sort();
    assert_eq!(quarantine(&front).await, sent);
}

#[tokio::test]
async fn an_event_that_comes_alone_is_kept_or_its_sender_is_told() {
    for (reason, bytes) in examples() {
        let front = front();
        let answer = front.post("/v1/identify", &[WEB], bytes.clone()).await;
        let kept = front.kept().await.len();
        match answer.status.as_u16() {
            200 => assert_eq!(kept, 1, "{reason} {}", bytes.escape_ascii()),
            status => {
                assert_eq!((status, kept), (400, 0), "{reason} {}", bytes.escape_ascii());
                assert!(!answer.code().is_empty() && answer.json()["message"].is_string());
            }
        }
    }
}
