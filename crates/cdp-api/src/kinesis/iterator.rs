//! Shard iterators: opaque to clients, good for five minutes, and checked.
//!
//! An iterator gives no right that GetShardIterator does not give, so it is checked against damage, not signed; and it
//! outlives a restart.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cdp_event::{Sequence, Timestamp};
use sha2::{Digest, Sha256};

use super::fault::{Fault, Kind};

const GOOD_FOR_MS: i64 = 5 * 60 * 1000;
const FORM: u8 = 1;
const CHECK_BYTES: usize = 8;

/// The next record to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShardIterator {
    pub shard: String,
    /// `None`: from the oldest record kept.
    pub after: Option<Sequence>,
    /// Records that arrived earlier are passed over: their end is sought when the iterator is used.
    pub not_before: Option<Timestamp>,
    pub made_at: Timestamp,
}

impl ShardIterator {
    pub fn encode(&self, stream: &str) -> String {
        let mut bytes = vec![FORM];
        bytes.extend_from_slice(&self.made_at.as_ms().to_be_bytes());
        bytes.push(u8::from(self.after.is_some()) | u8::from(self.not_before.is_some()) << 1);
        bytes.extend_from_slice(&self.after.unwrap_or_default().to_be_bytes());
        bytes.extend_from_slice(&self.not_before.unwrap_or_default().as_ms().to_be_bytes());
        bytes.extend_from_slice(self.shard.as_bytes());
        let check = check(stream, &bytes);
        bytes.extend_from_slice(&check);
        STANDARD.encode(bytes)
    }

    pub fn decode(text: &str, stream: &str, now: Timestamp) -> Result<Self, Fault> {
        let iterator = Self::parse(text, stream).ok_or_else(|| Fault::invalid("Invalid ShardIterator."))?;
        if now.as_ms() - iterator.made_at.as_ms() > GOOD_FOR_MS {
            let message = format!(
                "Iterator expired. The iterator was created at time {} while right now it is {now} which is further in the \
                 future than the tolerated delay of {GOOD_FOR_MS} milliseconds.",
                iterator.made_at
            );
            return Err(Fault::new(Kind::ExpiredIterator, message));
        }
        Ok(iterator)
    }

    fn parse(text: &str, stream: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        let (bytes, sent_check) = bytes.split_at_checked(bytes.len().checked_sub(CHECK_BYTES)?)?;
        if sent_check != check(stream, bytes) {
            return None;
        }
        let rest = bytes.strip_prefix(&[FORM])?;
        let (made_at, rest) = rest.split_first_chunk::<8>()?;
        let (flags, rest) = rest.split_first()?;
        let (after, rest) = rest.split_first_chunk::<24>()?;
        let (not_before, shard) = rest.split_first_chunk::<8>()?;
        Some(Self {
            shard: String::from_utf8(shard.to_vec()).ok()?,
            after: Sequence::from_be_bytes(after).filter(|_| flags & 1 != 0),
            not_before: (flags & 2 != 0).then(|| Timestamp::from_ms(i64::from_be_bytes(*not_before))),
            made_at: Timestamp::from_ms(i64::from_be_bytes(*made_at)),
        })
    }
}

/// An iterator of another deployment's stream is damage too.
fn check(stream: &str, bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let digest = Sha256::new().chain_update(stream).chain_update([0]).chain_update(bytes).finalize();
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&digest[..CHECK_BYTES]);
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iterator() -> ShardIterator {
        ShardIterator {
            shard: "shardId-000000000001".into(),
            after: Some(Sequence::new(7)),
            not_before: None,
            made_at: Timestamp::from_ms(1000),
        }
    }

    fn decoded(text: &str, stream: &str, now_ms: i64) -> Result<ShardIterator, Kind> {
        ShardIterator::decode(text, stream, Timestamp::from_ms(now_ms)).map_err(|fault| fault.kind)
    }

    #[test]
    fn an_iterator_comes_back_as_it_was_until_it_expires() {
        let sought = ShardIterator { after: None, not_before: Some(Timestamp::from_ms(-5)), ..iterator() };
        for iterator in [iterator(), sought] {
            let text = iterator.encode("events");
            assert_eq!(decoded(&text, "events", 301_000), Ok(iterator));
            assert_eq!(decoded(&text, "events", 301_001), Err(Kind::ExpiredIterator));
        }
    }

    #[test]
    fn a_damaged_or_foreign_iterator_is_refused() {
        let text = iterator().encode("events");
        assert_eq!(decoded(&text, "other", 1000), Err(Kind::InvalidArgument));
        for at in 0..text.len() {
            assert!(decoded(&text[..at], "events", 1000).is_err(), "cut to {at}");
            let swapped = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
            let damaged = [&text[..at], swapped, &text[at + 1..]].concat();
            assert!(decoded(&damaged, "events", 1000).is_err(), "byte {at}");
        }
    }
}
