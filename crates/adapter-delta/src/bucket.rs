//! A table in a bucket. A file is put in one piece or is not there, and what is answered lasts.
//!
//! The Parquet code writes and reads files from end to end and back, in little memory: so a file on its way to the bucket, or
//! from it, stands in an unnamed temporary file, which is gone with its handle.

mod s3;
#[cfg(test)]
mod tests;
mod transfer;

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use cdp_event::Timestamp;
use delta_kernel_default_engine::executor::TaskExecutor;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use url::Url;

use crate::DeltaError;
use crate::kernel::Threads;
use crate::place::{Draft, Listed, Place};

pub use s3::S3Bucket;

/// A bucket, and the folder in it that a lake stands in. One lake takes it: its connections live on that lake's threads.
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    root: Url,
}

impl Bucket {
    /// Any store that puts an object only where there is none, when it is asked to. `root`: the lake's folder, whose path
    /// is that of the objects in the store.
    pub fn over(store: Arc<dyn ObjectStore>, root: Url) -> Self {
        Self { store, root }
    }

    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    pub(crate) fn table(&self, name: &str, threads: Arc<Threads>) -> Result<BucketTable, DeltaError> {
        let mut url = self.root.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => segments.pop_if_empty().push(name).push(""),
            Err(()) => return Err(DeltaError::NoBucket(self.root.to_string())),
        };
        let root = Path::from_url_path(url.path()).map_err(object_store::Error::from)?;
        Ok(BucketTable { store: self.store(), root, url, threads })
    }
}

pub(crate) struct BucketTable {
    store: Arc<dyn ObjectStore>,
    root: Path,
    url: Url,
    threads: Arc<Threads>,
}

impl BucketTable {
    fn listed(&self, found: ObjectMeta) -> Option<Listed> {
        let path = found.location.as_ref().strip_prefix(self.root.as_ref())?.strip_prefix('/')?.to_owned();
        Some(Listed { path, written: not_before(found.last_modified.timestamp_millis()) })
    }
}

/// S3 tells the second in which a file was written, and the file may be younger by the rest of it.
fn not_before(last_modified_ms: i64) -> Timestamp {
    let is_whole_second = last_modified_ms % 1000 == 0;
    Timestamp::from_ms(if is_whole_second { last_modified_ms.saturating_add(999) } else { last_modified_ms })
}

impl Place for BucketTable {
    fn url(&self) -> &Url {
        &self.url
    }

    /// As the log has it: nothing is escaped on the way.
    fn object(&self, path: &str) -> Result<Path, DeltaError> {
        Ok(Path::parse(format!("{}/{path}", self.root)).map_err(object_store::Error::from)?)
    }

    fn begin(&self, path: &str) -> Result<Box<dyn Draft>, DeltaError> {
        let (store, threads) = (Arc::clone(&self.store), Arc::clone(&self.threads));
        Ok(Box::new(Spool { file: spool()?, path: self.object(path)?, store, threads }))
    }

    fn read(&self, path: &str) -> Result<File, DeltaError> {
        let (store, path, file) = (Arc::clone(&self.store), self.object(path)?, spool()?);
        Ok(self.threads.block_on(async move { transfer::download(&*store, &path, file).await })?)
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, DeltaError> {
        let folder = if folder.is_empty() { self.root.clone() } else { self.object(folder)? };
        let found = self.store.list(Some(&folder));
        let found: Vec<ObjectMeta> = self.threads.block_on(found.try_collect())?;
        Ok(found.into_iter().filter_map(|object| self.listed(object)).collect())
    }

    fn remove(&self, paths: &[String]) -> Result<u64, DeltaError> {
        let paths = paths.iter().map(|path| self.object(path)).collect::<Result<Vec<Path>, _>>()?;
        let removed = self.store.delete_stream(stream::iter(paths.into_iter().map(Ok)).boxed());
        let removed = removed.try_fold(0, async |count, _| Ok(count + 1));
        Ok(self.threads.block_on(removed)?)
    }
}

fn spool() -> Result<File, DeltaError> {
    tempfile::tempfile().map_err(DeltaError::io(std::env::temp_dir()))
}

struct Spool {
    file: File,
    path: Path,
    store: Arc<dyn ObjectStore>,
    threads: Arc<Threads>,
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Draft for Spool {
    fn publish(self: Box<Self>) -> Result<u64, DeltaError> {
        let Self { file, path, store, threads } = *self;
        Ok(threads.block_on(async move { transfer::upload(&*store, &path, file).await })?)
    }
}
