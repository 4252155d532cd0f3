//! Where a record stands: a partition, and its offset in that partition's total order.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A Kinesis shard, a local shard, or one dropped file. Offsets are comparable within one partition only.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionId(Arc<str>);

/// What begins the name of a partition that is a dropped file.
const FILES: &str = "drop/";

impl PartitionId {
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(Arc::from(name.as_ref()))
    }

    /// That of a file's content, which `source` dropped.
    pub fn of_file(source: &str, content: &str) -> Self {
        Self::new(format!("{FILES}{source}/{content}"))
    }

    pub fn is_of_a_file(&self) -> bool {
        self.as_str().starts_with(FILES)
    }

    /// That of the same file, read anew by other settings.
    #[must_use]
    pub fn read_by(&self, settings: &str) -> Self {
        Self::new(format!("{}-{settings}", self.first_reading()))
    }

    /// That of the same file as it was read first.
    #[must_use]
    pub fn first_reading(&self) -> Self {
        match self.as_str().rsplit_once('/') {
            Some((source, content)) => Self::new(format!("{source}/{}", content.split('-').next().unwrap_or(content))),
            None => self.clone(),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A sequence number: up to 192 bits, written in decimal. Kinesis uses 186 bits of them; the local log counts from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sequence {
    high: u64,
    low: u128,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a sequence number: {0:?} (1 to 57 decimal digits, below 2^192)")]
pub struct NotASequence(String);

impl Sequence {
    pub const fn new(low: u128) -> Self {
        Self { high: 0, low }
    }

    pub fn to_be_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.high.to_be_bytes());
        bytes[8..].copy_from_slice(&self.low.to_be_bytes());
        bytes
    }

    /// Big-endian, at most 24 bytes; leading zeros may be absent. `None` when it is longer.
    pub fn from_be_bytes(bytes: &[u8]) -> Option<Self> {
        let mut padded = [0u8; 24];
        let start = padded.len().checked_sub(bytes.len())?;
        padded[start..].copy_from_slice(bytes);
        let (high, low) = padded.split_at(8);
        Some(Self { high: u64::from_be_bytes(high.try_into().ok()?), low: u128::from_be_bytes(low.try_into().ok()?) })
    }

    /// The local log's view: its sequence numbers fit 64 bits.
    pub fn as_u64(self) -> Option<u64> {
        if self.high == 0 { u64::try_from(self.low).ok() } else { None }
    }

    /// `self * 10 + digit`, or `None` past 192 bits.
    fn push_digit(self, digit: u8) -> Option<Self> {
        const HALF: u128 = u64::MAX as u128;
        let bottom = (self.low & HALF) * 10 + u128::from(digit);
        let top = (self.low >> 64) * 10 + (bottom >> 64);
        let high = u128::from(self.high) * 10 + (top >> 64);
        Some(Self { high: u64::try_from(high).ok()?, low: (top << 64) | (bottom & HALF) })
    }

    /// `self / 10` and the digit that is left.
    fn pop_digit(self) -> (Self, u8) {
        let (high, rest) = (self.high / 10, u128::from(self.high % 10));
        let top = (rest << 64) | (self.low >> 64);
        let bottom = ((top % 10) << 64) | (self.low & u128::from(u64::MAX));
        (Self { high, low: ((top / 10) << 64) | (bottom / 10) }, (bottom % 10) as u8)
    }
}

impl From<u64> for Sequence {
    fn from(number: u64) -> Self {
        Self::new(u128::from(number))
    }
}

impl FromStr for Sequence {
    type Err = NotASequence;

    fn from_str(text: &str) -> Result<Self, NotASequence> {
        let refuse = || NotASequence(text.chars().take(80).collect());
        if text.is_empty() {
            return Err(refuse());
        }
        text.bytes().try_fold(Self::default(), |number, byte| {
            if byte.is_ascii_digit() { number.push_digit(byte - b'0') } else { None }.ok_or_else(refuse)
        })
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.high == 0 {
            return write!(f, "{}", self.low);
        }
        let mut digits = Vec::with_capacity(58);
        let mut rest = *self;
        while rest != Self::default() {
            let (next, digit) = rest.pop_digit();
            digits.push(char::from(b'0' + digit));
            rest = next;
        }
        f.write_str(&digits.iter().rev().collect::<String>())
    }
}

/// An event's place in its partition: the record's sequence number, and its place in a KPL aggregate (0 for a plain record).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Offset {
    pub sequence: Sequence,
    pub sub: u32,
}

impl Offset {
    pub const fn new(sequence: Sequence, sub: u32) -> Self {
        Self { sequence, sub }
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.sequence, self.sub)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_keep_every_digit() {
        let largest = "6277101735386680763835789423207666416102355444464034512895";
        for text in
            ["0", "7", "18446744073709551616", "49590338271490256608559692538361571095921575989136588898", largest]
        {
            assert_eq!(text.parse::<Sequence>().map(|s| s.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_no_sequence_is_refused() {
        for text in ["", "-1", "1e3", "6277101735386680763835789423207666416102355444464034512896"] {
            assert!(text.parse::<Sequence>().is_err(), "{text}");
        }
    }

    #[test]
    fn order_and_bytes_agree() {
        let small: Sequence = "340282366920938463463374607431768211455".parse().expect("2^128 - 1");
        let large: Sequence = "340282366920938463463374607431768211456".parse().expect("2^128");
        assert!(small < large);
        assert!(small.to_be_bytes() < large.to_be_bytes());
        assert_eq!(Sequence::from_be_bytes(&large.to_be_bytes()), Some(large));
        assert_eq!(Sequence::from_be_bytes(&[1, 0]), Some(Sequence::new(256)));
    }
}
