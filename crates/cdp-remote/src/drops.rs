//! Files that are put into the drop bucket, and what the deployment reports of them.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use cdp_drops::{FileReport, REPORTS_FOLDER, check_droppable, names_for};
use futures::TryStreamExt;
use object_store::path::Path as Key;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt, WriteMultipart};

use crate::RemoteError;

/// A file up to this size is one request; a larger one comes in parts.
const PART_BYTES: u64 = 8 << 20;
/// S3 takes 10,000.
const MOST_PARTS: u64 = 9_000;
const PARTS_AT_ONCE: usize = 4;

pub struct DropBucket {
    store: Arc<dyn ObjectStore>,
    name: String,
}

/// A file that is in the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    bucket: String,
    key: Key,
    report: Key,
    /// Of a report that was there before the file: it tells of another one.
    older_report: Option<String>,
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

impl DropBucket {
    pub fn over(store: Arc<dyn ObjectStore>, name: &str) -> Self {
        Self { store, name: name.to_owned() }
    }

    /// Puts the file as `SOURCE/NAME`. A name that another content has gets a number; a file that is there already stays.
    pub async fn place(&self, source: &str, file: &Path) -> Result<Placed, RemoteError> {
        let at = |error| RemoteError::Io { path: file.to_owned(), source: error };
        check_droppable(file)?;
        let bytes = std::fs::metadata(file).map_err(at)?.len();
        for name in names_for(file) {
            let mut placed = self.named(source, &name)?;
            match self.find(&placed.key).await? {
                None => {
                    placed.older_report = self.find(&placed.report).await?.and_then(|report| report.e_tag);
                    self.upload(&placed.key, file, bytes).await?;
                    return Ok(placed);
                }
                Some(there) if there.size == bytes && self.has_same_content(&there, file).await? => return Ok(placed),
                Some(_) => {}
            }
        }
        Err(at(std::io::ErrorKind::AlreadyExists.into()))
    }

    /// What became of the file by now. `None`: nothing yet.
    pub async fn report(&self, placed: &Placed) -> Result<Option<FileReport>, RemoteError> {
        let found = match self.store.get(&placed.report).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.fault(error)),
        };
        if placed.older_report.is_some() && found.meta.e_tag == placed.older_report {
            return Ok(None);
        }
        let text = found.bytes().await.map_err(|error| self.fault(error))?;
        let unread = |source| RemoteError::Report { key: placed.report.to_string(), source };
        serde_json::from_slice(&text).map(Some).map_err(unread)
    }

    fn named(&self, source: &str, name: &str) -> Result<Placed, RemoteError> {
        let key = |path: String| Key::parse(path).map_err(|error| self.fault(error.into()));
        Ok(Placed {
            bucket: self.name.clone(),
            key: key(format!("{source}/{name}"))?,
            report: key(format!("{source}/{REPORTS_FOLDER}/{name}.json"))?,
            older_report: None,
        })
    }

    async fn find(&self, key: &Key) -> Result<Option<ObjectMeta>, RemoteError> {
        match self.store.head(key).await {
            Ok(found) => Ok(Some(found)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.fault(error)),
        }
    }

    async fn has_same_content(&self, there: &ObjectMeta, file: &Path) -> Result<bool, RemoteError> {
        let at = |error| RemoteError::Io { path: file.to_owned(), source: error };
        let mut local = File::open(file).map_err(at)?;
        let mut remote = self.store.get(&there.location).await.map_err(|error| self.fault(error))?.into_stream();
        while let Some(bytes) = remote.try_next().await.map_err(|error| self.fault(error))? {
            if next_part(&mut local, bytes.len() as u64).map_err(at)? != bytes {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn upload(&self, key: &Key, file: &Path, bytes: u64) -> Result<(), RemoteError> {
        let at = |error| RemoteError::Io { path: file.to_owned(), source: error };
        let mut content = File::open(file).map_err(at)?;
        if bytes <= PART_BYTES {
            let whole = next_part(&mut content, bytes).map_err(at)?;
            return self.store.put(key, whole.into()).await.map(drop).map_err(|error| self.fault(error));
        }
        let part = PART_BYTES.max(bytes / MOST_PARTS + 1);
        let begun = self.store.put_multipart(key).await.map_err(|error| self.fault(error))?;
        let mut upload = WriteMultipart::new_with_chunk_size(begun, part as usize);
        let read = loop {
            match next_part(&mut content, part) {
                Ok(bytes) if bytes.is_empty() => break Ok(()),
                Ok(bytes) => upload.put(bytes),
                Err(error) => break Err(at(error)),
            }
            if let Err(error) = upload.wait_for_capacity(PARTS_AT_ONCE).await {
                break Err(self.fault(error));
            }
        };
        if let Err(error) = read {
            // Parts without a whole are paid for until somebody takes them away.
            if let Err(left) = upload.abort().await {
                tracing::warn!(key = %key, "parts of {key} may be left in the bucket: {left}");
            }
            return Err(error);
        }
        upload.finish().await.map(drop).map_err(|error| self.fault(error))
    }

    fn fault(&self, source: Error) -> RemoteError {
        RemoteError::Bucket { bucket: self.name.clone(), source }
    }
}

/// Fewer bytes at the file's end only. What was just read or written is in the page cache: it is not worth a thread.
fn next_part(file: &mut File, bytes: u64) -> std::io::Result<Bytes> {
    let mut part = Vec::with_capacity(bytes as usize);
    file.take(bytes).read_to_end(&mut part)?;
    Ok(part.into())
}

#[cfg(test)]
mod tests {
    use cdp_drops::Status;
    use object_store::memory::InMemory;

    use super::*;

    fn bucket() -> DropBucket {
        DropBucket::over(Arc::new(InMemory::new()), "drops")
    }

    async fn drop_as(bucket: &DropBucket, name: &str, content: &[u8]) -> Placed {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(name);
        std::fs::write(&file, content).expect("written");
        bucket.place("partner", &file).await.expect("room")
    }

    #[tokio::test]
    async fn a_name_that_another_content_has_gets_a_number() {
        let bucket = bucket();
        let mut names = vec![];
        for content in ["a", "b", "a", "b", "long", "b"] {
            names.push(drop_as(&bucket, "orders.csv.gz", content.as_bytes()).await.to_string());
        }
        let named = |name: &str| format!("s3://drops/partner/{name}");
        let expected = ["orders.csv.gz", "orders-2.csv.gz", "orders.csv.gz", "orders-2.csv.gz", "orders-3.csv.gz"];
        assert_eq!(names[..5], expected.map(named));
        assert_eq!(names[5], named("orders-2.csv.gz"));
    }

    #[tokio::test]
    async fn a_large_file_arrives_whole() {
        let bucket = bucket();
        let content: Vec<u8> = (0..PART_BYTES * 2 + 12_345).map(|at| (at % 251) as u8).collect();
        let placed = drop_as(&bucket, "large.csv", &content).await;
        let there = bucket.store.get(&placed.key).await.expect("there").bytes().await.expect("bytes");
        assert!(there == content, "{} bytes", there.len());
        assert_eq!(drop_as(&bucket, "large.csv", &content).await, placed);
    }

    async fn report(bucket: &DropBucket, status: &str) {
        let text = format!(
            r#"{{"file":"a.csv","source":"partner","status":"{status}","detail":null,"format":"csv","compression":"none",
            "encoding":"UTF-8","rows":3,"events":2,"taken":2,"duplicates":0,"refused":1,"refused_by_reason":{{"no_identifier":1}},
            "examples":[],"partition":"drop-1","first_seen":"2026-01-31T09:00:00Z","started":"2026-01-31T09:00:00Z",
            "finished":null,"bytes":10,"modified_ns":1,"mark":"1","settings":"s"}}"#
        );
        bucket.store.put(&Key::from("partner/.reports/a.csv.json"), text.into()).await.expect("put");
    }

    #[tokio::test]
    async fn the_report_of_an_earlier_file_of_that_name_is_not_this_ones() {
        let bucket = bucket();
        report(&bucket, "done").await;
        let placed = drop_as(&bucket, "a.csv", b"user_id\nu1\n").await;
        let seen = async || bucket.report(&placed).await.expect("asked").map(|report| (report.status, report.rows));
        assert_eq!(seen().await, None);
        report(&bucket, "running").await;
        assert_eq!(seen().await, Some((Status::Running, 3)));
        let again = drop_as(&bucket, "a.csv", b"user_id\nu1\n").await;
        assert_eq!(bucket.report(&again).await.expect("asked").map(|report| report.rows), Some(3));
    }

    #[tokio::test]
    async fn what_nobody_would_take_in_is_told_by_its_path_and_not_put() {
        let folder = tempfile::tempdir().expect("a folder");
        let bucket = bucket();
        for (name, why) in [
            ("", "it is no file"),
            ("nowhere.csv", "No such file"),
            ("a.part", "names that end in .part are passed over"),
            (".a.csv", "names that begin with a dot are passed over"),
        ] {
            let path = folder.path().join(name);
            if name.contains("a.") {
                std::fs::write(&path, "user_id\nu1\n").expect("written");
            }
            let error = bucket.place("partner", &path).await.expect_err("nobody takes it in").to_string();
            assert!(error.starts_with(path.to_str().expect("text")) && error.contains(why), "{error}");
        }
        let put: Vec<_> = bucket.store.list(None).try_collect().await.expect("memory");
        assert_eq!(put, []);
    }
}
