//! Records that a producer compressed, by gzip or zstd: fewer bytes to pay for, and more events in a batch. What comes out is a
//! KPL aggregate, or lines of JSON, an event on each.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;

use crate::{Reason, Rejection};

/// Of one record: more than the largest records of usual producers come to.
pub const MAX_INFLATED_BYTES: usize = 4 << 20;

/// A window that is larger than that holds nothing which may come out.
const MAX_ZSTD_WINDOW_LOG: u32 = 23;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// No JSON begins so.
pub fn is_compressed(data: &[u8]) -> bool {
    data.starts_with(&GZIP) || data.starts_with(&ZSTD)
}

/// `None`: `data` is not compressed. `most`: bytes that may come out.
pub(crate) fn inflate(data: &[u8], most: usize) -> Option<Result<Bytes, Rejection>> {
    let (name, outcome) = if data.starts_with(&GZIP) {
        ("gzip", read(MultiGzDecoder::new(data), most))
    } else if data.starts_with(&ZSTD) {
        ("zstd", zstd_reader(data).and_then(|inflating| read(inflating, most)))
    } else {
        return None;
    };
    let broken = |error| Rejection::new(Reason::BadEnvelope, format!("the record can't be inflated ({name}): {error}"));
    Some(match outcome {
        Ok(inflated) if inflated.len() > most => Err(Rejection::new(
            Reason::TooLarge,
            format!("the record inflates to more than {MAX_INFLATED_BYTES} bytes; compress fewer events into one"),
        )),
        // Without the room that it grew into.
        Ok(inflated) => Ok(inflated.into_boxed_slice().into()),
        Err(error) => Err(broken(error)),
    })
}

fn zstd_reader(data: &[u8]) -> io::Result<impl Read> {
    let mut decoder = zstd::Decoder::with_buffer(data)?;
    decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
    Ok(decoder)
}

/// Everything, or one byte more than there may be.
fn read(inflating: impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut inflated = Vec::new();
    inflating.take(most as u64 + 1).read_to_end(&mut inflated)?;
    Ok(inflated)
}

/// The lines that are not blank, without their ends.
pub(crate) fn lines(text: &Bytes) -> impl Iterator<Item = Bytes> {
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', text).chain([text.len()]);
    let lines = ends.map(move |end| {
        let line = text.slice(start..end);
        start = end + 1;
        line
    });
    lines.map(|line| line.slice_ref(line.trim_ascii())).filter(|line| !line.is_empty())
}
