//! Bodies, packed where that saves a unit. DynamoDB bills a write by the KB of the whole item, so an item of 1.1 KB costs twice
//! one of 1.0 KB, and below 1 KB nothing is saved. Profiles, which most writes are of, pack to less than half: their texts are
//! what events are made of.

use std::io;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::get_frame_content_size;

/// What events and profiles often say, so that a small item need not say it. Never to be edited: without it, word for word,
/// nothing that was packed can be read.
const WORDS: &[u8] = include_bytes!("words.txt");
const LEVEL: i32 = 6;
/// What DynamoDB bills a write by.
const UNIT_BYTES: usize = 1024;
/// As large as a body gets: DynamoDB takes items of 400 KB, and packs of nothing but zeros are not ours.
const MOST_BYTES: usize = 16 << 20;

/// How a body stands in an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    Plain(Bytes),
    Packed(Bytes),
}

/// Both keep what they need between two bodies, which is more than a body takes. `None`: there was no memory for it.
pub struct Packer {
    packing: Mutex<Option<Compressor<'static>>>,
    unpacking: Mutex<Option<Decompressor<'static>>>,
}

impl Default for Packer {
    fn default() -> Self {
        Self {
            packing: Mutex::new(Compressor::with_dictionary(LEVEL, WORDS).ok()),
            unpacking: Mutex::new(Decompressor::with_dictionary(WORDS).ok()),
        }
    }
}

impl Packer {
    /// `beside`: bytes of the item that are not its body.
    pub fn pack(&self, body: &Bytes, beside: usize) -> Stored {
        let units = |bytes: usize| (beside + bytes).div_ceil(UNIT_BYTES);
        if units(body.len()) <= 1 {
            return Stored::Plain(body.clone());
        }
        // Nothing is half done in there when another has panicked.
        let mut packing = self.packing.lock().unwrap_or_else(PoisonError::into_inner);
        match packing.as_mut().map(|packing| packing.compress(body)) {
            Some(Ok(packed)) if units(packed.len()) < units(body.len()) => Stored::Packed(packed.into()),
            // What can't be packed is as good as it is.
            _ => Stored::Plain(body.clone()),
        }
    }

    pub fn unpack(&self, packed: &[u8]) -> io::Result<Bytes> {
        let whole = get_frame_content_size(packed).ok().flatten().ok_or(io::ErrorKind::InvalidData)?;
        let whole = usize::try_from(whole).unwrap_or(MOST_BYTES).min(MOST_BYTES);
        let mut unpacking = self.unpacking.lock().unwrap_or_else(PoisonError::into_inner);
        let unpacking = unpacking.as_mut().ok_or(io::ErrorKind::OutOfMemory)?;
        unpacking.decompress(packed, whole).map(Bytes::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts that repeat themselves little.
    fn texts(count: u32) -> Bytes {
        let text = |n: u32| format!("{{\"product_id\":\"{}\",\"price\":{n}}}", n.wrapping_mul(2_654_435_761));
        (0..count).map(text).collect::<String>().into()
    }

    #[test]
    fn what_saves_a_unit_is_packed_and_comes_back() {
        let packer = Packer::default();
        for (body, beside, is_packed) in [
            (texts(5), 100, false),
            (texts(5), 900, true),
            (texts(5), 1000, false),
            (texts(40), 100, true),
            (Bytes::from(vec![7; 500_000]), 100, true),
            (Bytes::new(), 2000, false),
        ] {
            match packer.pack(&body, beside) {
                Stored::Plain(plain) => assert_eq!((plain, false), (body, is_packed)),
                Stored::Packed(packed) => {
                    assert!(is_packed && packed.len() < body.len(), "{} of {}", packed.len(), body.len());
                    assert_eq!(packer.unpack(&packed).expect("ours"), body);
                }
            }
        }
    }

    #[test]
    fn what_is_no_pack_is_refused() {
        let packer = Packer::default();
        for packed in [&b""[..], b"not a pack", &[0x28, 0xb5, 0x2f, 0xfd, 0xff]] {
            packer.unpack(packed).expect_err("not ours");
        }
    }

    /// An item of a release. If this fails, the words were edited: put them back.
    #[test]
    fn an_old_item_is_still_read() {
        let packed = include_bytes!("../tests/packed.bin");
        assert_eq!(Packer::default().unpack(packed).expect("as it was"), texts(40));
    }
}
