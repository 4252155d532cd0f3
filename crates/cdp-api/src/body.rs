//! A request's body: read within bounds of size and time, and inflated within bounds.

use std::io::Read;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt;

use crate::{Limits, Refusal};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Plain and gzip are told apart by the first bytes as well as by the header: some proxies inflate and leave the header.
pub(crate) async fn read_inflated(headers: &HeaderMap, body: Body, limits: &Limits) -> Result<Bytes, Refusal> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes().trim_ascii());
    if let Some(encoding) = encoding.filter(|encoding| !is_known(encoding)) {
        return Err(Refusal::UnknownEncoding(String::from_utf8_lossy(encoding).chars().take(40).collect()));
    }
    let bytes = read(body, limits.request_bytes, limits).await?;
    if bytes.starts_with(&GZIP_MAGIC) { inflate(&bytes, limits.inflated_bytes).map(Bytes::from) } else { Ok(bytes) }
}

/// A body beyond the limit is still read to its end, and thrown away: a client that is cut off while it sends sees a broken
/// connection, not the answer, and tries again for ever.
pub(crate) async fn read(body: Body, limit_bytes: usize, limits: &Limits) -> Result<Bytes, Refusal> {
    tokio::time::timeout(limits.body_within, read_to_end(body, limit_bytes)).await.map_err(|_| Refusal::Slow)?
}

async fn read_to_end(mut body: Body, limit_bytes: usize) -> Result<Bytes, Refusal> {
    let mut taken = BytesMut::new();
    let mut arrived_bytes = 0usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Refusal::Broken)?.into_data() else { continue };
        arrived_bytes = arrived_bytes.saturating_add(data.len());
        if arrived_bytes <= limit_bytes {
            let is_whole = taken.is_empty() && body.is_end_stream();
            if is_whole {
                return Ok(data);
            }
            let expected_bytes = usize::try_from(body.size_hint().lower()).unwrap_or(0).min(limit_bytes);
            taken.reserve(data.len().saturating_add(expected_bytes));
            taken.extend_from_slice(&data);
        }
    }
    if arrived_bytes > limit_bytes { Err(Refusal::RequestTooLarge { limit_bytes }) } else { Ok(taken.freeze()) }
}

fn is_known(encoding: &[u8]) -> bool {
    [&b"gzip"[..], b"x-gzip", b"identity", b""].iter().any(|known| encoding.eq_ignore_ascii_case(known))
}

fn inflate(bytes: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Refusal> {
    let mut inflated = Vec::with_capacity(limit_bytes.min(bytes.len().saturating_mul(6)));
    let mut reader = MultiGzDecoder::new(bytes).take(limit_bytes as u64 + 1);
    reader.read_to_end(&mut inflated).map_err(|error| Refusal::BadGzip(error.to_string()))?;
    if inflated.len() > limit_bytes {
        return Err(Refusal::InflatedTooLarge { limit_bytes });
    }
    Ok(inflated)
}
