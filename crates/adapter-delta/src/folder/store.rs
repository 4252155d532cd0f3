//! A folder as the object store that the kernel writes the log to: what it puts is on the disk when it is answered.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

use super::files::{self, Existing};

#[derive(Debug, Default)]
pub(crate) struct FolderStore(Arc<LocalFileSystem>);

impl fmt::Display for FolderStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn put(store: &LocalFileSystem, location: &Path, parts: &[PutPayload], existing: Existing) -> Result<PutResult> {
    let path = store.path_to_filesystem(location)?;
    let parts = parts.iter().flat_map(PutPayload::iter).map(|part| part.as_ref());
    match files::write(&path, parts, existing) {
        Ok(()) => Ok(PutResult { e_tag: None, version: None }),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(object_store::Error::AlreadyExists { path: location.to_string(), source: Box::new(error) })
        }
        Err(error) => Err(object_store::Error::Generic { store: "folder", source: Box::new(error) }),
    }
}

#[async_trait]
impl ObjectStore for FolderStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        match options.mode {
            PutMode::Overwrite => put(&self.0, location, &[payload], Existing::Replace),
            PutMode::Create => put(&self.0, location, &[payload], Existing::Keep),
            PutMode::Update(_) => self.0.put_opts(location, payload, options).await,
        }
    }

    async fn put_multipart_opts(&self, location: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(Upload { store: Arc::clone(&self.0), location: location.clone(), parts: vec![] }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.0.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}

/// A large checkpoint comes in parts. They are few megabytes each, and are written together.
#[derive(Debug)]
struct Upload {
    store: Arc<LocalFileSystem>,
    location: Path,
    parts: Vec<PutPayload>,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts.push(data);
        Box::pin(std::future::ready(Ok(())))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        put(&self.store, &self.location, &self.parts, Existing::Replace)
    }

    async fn abort(&mut self) -> Result<()> {
        self.parts.clear();
        Ok(())
    }
}
