//! The name of a profile: when it was created, and which event created it.

use std::fmt;
use std::str::FromStr;

use cdp_event::{Offset, PartitionId, Timestamp};
use xxhash_rust::xxh3::Xxh3;

/// 48 bits of milliseconds and 80 bits drawn from the position of the event that created the profile. So ids order by
/// creation, and a repeated delivery makes the same id again. Written `prf_` and 26 characters of Crockford's base 32.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProfileId([u8; 16]);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a profile id: {0:?} (`prf_` and 26 of 0-9, a-z without i, l, o, u)")]
pub struct NotAProfileId(String);

const PREFIX: &str = "prf_";
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 26;

impl ProfileId {
    pub fn created_by(partition: &PartitionId, offset: Offset, at: Timestamp) -> Self {
        let mut hasher = Xxh3::new();
        hasher.update(partition.as_str().as_bytes());
        hasher.update(&offset.sequence.to_be_bytes());
        hasher.update(&offset.sub.to_be_bytes());
        let chance = hasher.digest128() & ((1 << 80) - 1);
        let ms = at.as_ms().clamp(0, (1 << 48) - 1) as u128;
        Self(((ms << 80) | chance).to_be_bytes())
    }

    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    pub fn created_at(self) -> Timestamp {
        Timestamp::from_ms((u128::from_be_bytes(self.0) >> 80) as i64)
    }

    /// The text, without an allocation.
    pub fn with_text<R>(self, with: impl FnOnce(&str) -> R) -> R {
        let mut text = [0u8; PREFIX.len() + LENGTH];
        text[..PREFIX.len()].copy_from_slice(PREFIX.as_bytes());
        let mut rest = u128::from_be_bytes(self.0);
        for digit in text[PREFIX.len()..].iter_mut().rev() {
            *digit = DIGITS[(rest & 31) as usize];
            rest >>= 5;
        }
        with(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Display for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.write_str(text))
    }
}

impl fmt::Debug for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ProfileId {
    type Err = NotAProfileId;

    fn from_str(text: &str) -> Result<Self, NotAProfileId> {
        let refuse = || NotAProfileId(text.chars().take(60).collect());
        let digits = text.strip_prefix(PREFIX).filter(|digits| digits.len() == LENGTH).ok_or_else(refuse)?;
        let number = digits.bytes().try_fold(0u128, |number, byte| {
            let digit = DIGITS.iter().position(|&d| d == byte).ok_or_else(refuse)?;
            let room = number.leading_zeros() >= 5;
            if room { Ok((number << 5) | digit as u128) } else { Err(refuse()) }
        })?;
        Ok(Self(number.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(sequence: u64, ms: i64) -> ProfileId {
        ProfileId::created_by(&PartitionId::new("p"), Offset::new(sequence.into(), 0), Timestamp::from_ms(ms))
    }

    #[test]
    fn text_and_id_name_each_other() {
        for id in [id(1, 0), id(2, 1_740_789_266_435), ProfileId([255; 16]), ProfileId([0; 16])] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for text in [
            "",
            "prf_",
            "prf_0000000000000000000000000u",
            "prf_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "evt_00000000000000000000000000",
        ] {
            assert!(text.parse::<ProfileId>().is_err(), "{text}");
        }
    }

    #[test]
    fn ids_order_by_creation_and_repeat_by_position() {
        assert!(id(9, 1_000) < id(1, 2_000));
        assert_eq!(id(3, 5), id(3, 5));
        assert_ne!(id(3, 5), id(4, 5));
        assert_eq!(id(3, 5).created_at(), Timestamp::from_ms(5));
    }
}
