//! Objects as dropped files: a version is read to its end or told as changed, never mixed with another; reports stand beside.

use std::io::{self, Read};

use adapter_s3::{S3Drops, S3Object};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use cdp_drops::{Address, DropBox, Dropped, FileReport, Stamp};
use cdp_event::Timestamp;
use cdp_ports::{FaultKind, PortError};

use crate::{config, fresh_name};

const KEY: &str = "partner/2026/Jörg + co.csv";
/// More than two parts.
const BYTES: usize = 20 << 20;

struct Bucket {
    client: Client,
    name: String,
    drops: S3Drops,
}

impl Bucket {
    async fn new(versioned: bool) -> Self {
        let config = config().await;
        let client = Client::from_conf(Builder::from(&config).force_path_style(true).build());
        let name = fresh_name("drops");
        client.create_bucket().bucket(&name).send().await.expect("a bucket");
        if versioned {
            let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
            let asked = client.put_bucket_versioning().bucket(&name).versioning_configuration(enabled);
            asked.send().await.expect("versions");
        }
        Self { client, name, drops: S3Drops::new(&config) }
    }

    async fn put(&self, bytes: Vec<u8>) -> Address {
        let put = self.client.put_object().bucket(&self.name).key(KEY).body(ByteStream::from(bytes));
        let version = put.send().await.expect("an object").version_id;
        Address { bucket: self.name.clone(), key: KEY.to_owned(), version }
    }

    async fn open(&self, address: &Address) -> S3Object {
        self.drops.open(address).await.expect("it is there")
    }
}

fn content(of: u8) -> Vec<u8> {
    (0..BYTES).map(|at| (at % 251) as u8 ^ of).collect()
}

/// Reads to the end. `meanwhile` happens once the first part is read.
async fn read(file: &S3Object, meanwhile: impl Future<Output = ()>) -> Result<Vec<u8>, FaultKind> {
    let mut reader = file.content().in_order();
    let mut bytes = vec![0; 1 << 20];
    let fault_of = |error: io::Error| error.downcast::<PortError>().expect("a fault of the port").kind;
    reader.read_exact(&mut bytes).map_err(fault_of)?;
    meanwhile.await;
    reader.read_to_end(&mut bytes).map_err(fault_of)?;
    Ok(bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_read_to_its_end_whatever_takes_its_name() {
    let bucket = Bucket::new(true).await;
    let address = bucket.put(content(1)).await;
    let file = bucket.open(&address).await;
    assert_eq!((file.stamp().bytes, file.name()), (BYTES as u64, "2026/Jörg + co.csv"));
    let read = read(&file, async { drop(bucket.put(content(2)).await) }).await;
    assert!(read == Ok(content(1)));
    let mut end = [0; 9];
    assert_eq!(file.content().read_at(BYTES as u64 - 5, &mut end).ok(), Some(5));
    assert_eq!(end[..5], content(1)[BYTES - 5..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_versions_an_object_that_was_replaced_is_told_as_changed() {
    let bucket = Bucket::new(false).await;
    let address = bucket.put(content(1)).await;
    assert_eq!(address.version, None);
    let file = bucket.open(&address).await;
    let outcome = read(&file, async { drop(bucket.put(content(2)).await) }).await;
    assert_eq!(outcome.err(), Some(FaultKind::Stale));
    assert!(read(&bucket.open(&address).await, async {}).await == Ok(content(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_gone_is_missing() {
    let bucket = Bucket::new(false).await;
    let address = bucket.put(content(1)).await;
    let file = bucket.open(&address).await;
    let gone = async {
        bucket.client.delete_object().bucket(&bucket.name).key(KEY).send().await.expect("it was there");
    };
    assert_eq!(read(&file, gone).await.err(), Some(FaultKind::Missing));
    assert_eq!(bucket.drops.open(&address).await.err().map(|error| error.kind), Some(FaultKind::Missing));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_stands_beside_its_file_and_that_of_a_later_file_stays() {
    let bucket = Bucket::new(true).await;
    let address = bucket.put(b"one".to_vec()).await;
    let earlier = bucket.open(&address).await;
    assert_eq!(earlier.report().await.expect("no fault"), None);
    // S3 tells the second in which an object was put.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let later = bucket.open(&bucket.put(b"two".to_vec()).await).await;
    for (file, detail, expected) in [(&earlier, "1", "1"), (&later, "2", "2"), (&earlier, "3", "2")] {
        let report = FileReport::of_no_source(file, "partner", detail.to_owned(), Timestamp::from_ms(0));
        file.put_report(&report).await.expect("no fault");
        let there = file.report().await.expect("no fault").expect("a report");
        assert_eq!(there.detail.as_deref(), Some(expected), "after {detail}");
    }
    let key = "partner/2026/.reports/Jörg + co.csv.json";
    bucket.client.head_object().bucket(&bucket.name).key(key).send().await.expect("it is beside the file");
}

/// A notification tells when an object was put; the object itself, when that began.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_by_an_address_alone_gives_way_to_that_of_its_own_file() {
    let bucket = Bucket::new(true).await;
    let address = bucket.put(b"one".to_vec()).await;
    assert_eq!(bucket.drops.report(&address).await.expect("no fault"), None);
    let file = bucket.open(&address).await;
    let stamp = Stamp { modified_ns: i64::MAX, ..file.stamp().clone() };
    let unopened = FileReport::of_unread(file.name(), "partner", &stamp, Timestamp::from_ms(0));
    bucket.drops.put_report(&address, &unopened).await.expect("no fault");
    assert_eq!(bucket.drops.report(&address).await.expect("no fault"), Some(unopened));
    let report = FileReport::of_no_source(&file, "partner", "opened".to_owned(), Timestamp::from_ms(0));
    file.put_report(&report).await.expect("no fault");
    assert_eq!(bucket.drops.report(&address).await.expect("no fault"), Some(report));
}
