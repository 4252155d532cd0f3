//! A bucket in memory that remembers what it was asked.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    Head,
    Get,
    List,
    Put,
    PutIfAbsent,
    BeginParts,
    Part,
    EndParts,
    /// Up to a thousand objects.
    Delete,
}

#[derive(Debug, Default)]
pub struct Counted {
    store: InMemory,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Counted {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Since the last call.
    pub fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.asked.lock().expect("no panic"))
    }

    fn note(&self, request: Request) {
        self.asked.lock().expect("no panic").push(request);
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Counted {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.note(if options.mode == PutMode::Create { Request::PutIfAbsent } else { Request::Put });
        self.store.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(&self, at: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.note(Request::BeginParts);
        let upload = self.store.put_multipart_opts(at, options).await?;
        Ok(Box::new(Upload { upload, asked: Arc::clone(&self.asked) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.note(if options.head { Request::Head } else { Request::Get });
        self.store.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let asked = Arc::clone(&self.asked);
        let thousands = locations.chunks(1000).flat_map(move |thousand| {
            asked.lock().expect("no panic").push(Request::Delete);
            futures::stream::iter(thousand)
        });
        self.store.delete_stream(thousands.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.note(Request::List);
        self.store.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.note(Request::List);
        self.store.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.note(Request::List);
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct Upload {
    upload: Box<dyn MultipartUpload>,
    asked: Arc<Mutex<Vec<Request>>>,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.asked.lock().expect("no panic").push(Request::Part);
        self.upload.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.asked.lock().expect("no panic").push(Request::EndParts);
        self.upload.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}
