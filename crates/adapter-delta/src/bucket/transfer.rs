//! Files to a bucket and from it, a few MiB at a time.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use futures::stream::FuturesUnordered;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Error, MultipartUpload, ObjectStore, ObjectStoreExt, Result};

/// A file up to this size is one request; a larger one is one for each part, and two more. So a part is not small, and the
/// parts on their way are few: they are in memory.
const PART_BYTES: u64 = 8 << 20;
const PARTS_AT_ONCE: usize = 3;

/// Answers how many bytes there are.
pub(super) async fn upload(store: &dyn ObjectStore, to: &Path, mut file: File) -> Result<u64> {
    let bytes = file.seek(io::SeekFrom::End(0)).map_err(spooling)?;
    file.rewind().map_err(spooling)?;
    if bytes <= PART_BYTES {
        store.put(to, next_part(&mut file, bytes)?.into()).await?;
        return Ok(bytes);
    }
    let mut upload = store.put_multipart(to).await?;
    match upload_parts(&mut *upload, file, bytes).await {
        Ok(()) => Ok(bytes),
        Err(error) => {
            // Parts without a whole are paid for until somebody takes them away.
            if let Err(left) = upload.abort().await {
                tracing::warn!(file = %to, "parts of {to} may be left in the bucket: {left}");
            }
            Err(error)
        }
    }
}

async fn upload_parts(upload: &mut dyn MultipartUpload, mut file: File, bytes: u64) -> Result<()> {
    let mut under_way = FuturesUnordered::new();
    let mut left = bytes;
    while left > 0 {
        if under_way.len() >= PARTS_AT_ONCE {
            under_way.next().await.transpose()?;
        }
        let part = next_part(&mut file, left.min(PART_BYTES))?;
        left -= part.len() as u64;
        under_way.push(upload.put_part(part.into()));
    }
    while under_way.next().await.transpose()?.is_some() {}
    upload.complete().await.map(drop)
}

/// The temporary file is in the page cache as a rule: to read it takes no longer than to hand it to another thread.
fn next_part(file: &mut File, bytes: u64) -> Result<Vec<u8>> {
    let mut part = Vec::with_capacity(bytes.min(PART_BYTES) as usize);
    file.take(bytes).read_to_end(&mut part).map_err(spooling)?;
    if part.len() as u64 == bytes { Ok(part) } else { Err(spooling(io::ErrorKind::UnexpectedEof.into())) }
}

/// Answers the file at its beginning.
pub(super) async fn download(store: &dyn ObjectStore, from: &Path, mut file: File) -> Result<File> {
    let mut bytes = store.get(from).await?.into_stream();
    while let Some(bytes) = bytes.try_next().await? {
        file.write_all(&bytes).map_err(spooling)?;
    }
    file.rewind().map_err(spooling)?;
    Ok(file)
}

fn spooling(error: io::Error) -> Error {
    Error::Generic { store: "temporary file", source: error.into() }
}
