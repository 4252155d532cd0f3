//! The messages that a profile has taken, so that a producer's retry is told from something new.

use std::collections::HashMap;

use cdp_event::{Offset, PartitionId, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

use crate::InFlight;

/// How long a message id is remembered, by the time of arrival, and how many at most once their batches are checkpointed.
const WINDOW_S: i64 = 24 * 3600;
const MAX_MESSAGES: usize = 512;
/// A busy device may send thousands of messages in one batch: beyond this many they are looked up, not searched.
const MAX_SEARCHED: usize = MAX_MESSAGES;

/// Column by column, so that a profile is read, searched and written in few steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Of [`message_hash`]. Invariant: in the order of arrival, each once.
    hashes: Vec<u64>,
    /// When each arrived, in seconds since 1970. Invariant: one for each hash.
    arrivals_s: Vec<i64>,
    /// Of those whose batch may be delivered again. Invariant: ascending, each of a message that is there.
    places: Vec<Place>,
    /// Where the first `indexed` hashes stand, once there are too many to search. Derived, so it is not compared.
    index: HashMap<u64, usize>,
    indexed: usize,
}

/// Where a message stood in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which of the messages it is.
    pub at: usize,
    pub partition: PartitionId,
    pub offset: Offset,
}

impl PartialEq for Seen {
    fn eq(&self, other: &Self) -> bool {
        (&self.hashes, &self.arrivals_s, &self.places) == (&other.hashes, &other.arrivals_s, &other.places)
    }
}

impl Eq for Seen {}

/// Bytes of a message's hash. Hashes are most of what a profile remembers, and don't pack. Among 20 messages, one in 14 trillion
/// is taken for another.
pub(crate) const HASH_BYTES: usize = 6;

pub(crate) fn message_hash(message_id: &str) -> u64 {
    xxh3_64(message_id.as_bytes()) >> (64 - 8 * HASH_BYTES)
}

fn seconds(at: Timestamp) -> i64 {
    at.as_ms().div_euclid(1000)
}

impl Seen {
    /// `None`: they don't belong together.
    pub fn new(hashes: Vec<u64>, arrivals_s: Vec<i64>, places: Vec<Place>) -> Option<Self> {
        let is_whole = hashes.len() == arrivals_s.len()
            && places.is_sorted_by(|place, next| place.at < next.at)
            && places.last().is_none_or(|last| last.at < hashes.len());
        is_whole.then(|| Self { hashes, arrivals_s, places, ..Self::default() })
    }

    /// What [`Seen::new`] takes.
    pub fn into_columns(self) -> (Vec<u64>, Vec<i64>, Vec<Place>) {
        (self.hashes, self.arrivals_s, self.places)
    }

    pub fn has(&mut self, hash: u64) -> bool {
        self.find(hash).is_some()
    }

    /// Whether the message is remembered at this very place.
    pub fn has_at(&mut self, hash: u64, partition: &PartitionId, offset: Offset) -> bool {
        let Some(at) = self.find(hash) else { return false };
        let place =
            self.places.binary_search_by_key(&at, |place| place.at).ok().and_then(|found| self.places.get(found));
        place.is_some_and(|place| place.partition == *partition && place.offset == offset)
    }

    /// A message that is new, from a batch that may be delivered again.
    pub fn push(&mut self, hash: u64, arrived_at: Timestamp, partition: &PartitionId, offset: Offset) {
        self.places.push(Place { at: self.hashes.len(), partition: partition.clone(), offset });
        self.hashes.push(hash);
        self.arrivals_s.push(seconds(arrived_at));
    }

    /// Takes the places from messages whose batches are done, and forgets those that are out of the window.
    pub fn forget(&mut self, in_flight: &impl InFlight, arrived_at: Timestamp) {
        self.places.retain(|place| in_flight.may_return(&place.partition, place.offset));
        let opened_s = seconds(arrived_at).saturating_sub(WINDOW_S);
        let mut surplus = self.hashes.len().saturating_sub(MAX_MESSAGES);
        if surplus == 0 && self.arrivals_s.iter().all(|arrival| *arrival >= opened_s) {
            return;
        }
        let mut places = self.places.iter_mut().peekable();
        let mut kept = 0;
        for at in 0..self.hashes.len() {
            let place = places.next_if(|place| place.at == at);
            if place.is_none() && (surplus > 0 || self.arrivals_s[at] < opened_s) {
                surplus = surplus.saturating_sub(1);
                continue;
            }
            if let Some(place) = place {
                place.at = kept;
            }
            self.hashes[kept] = self.hashes[at];
            self.arrivals_s[kept] = self.arrivals_s[at];
            kept += 1;
        }
        self.hashes.truncate(kept);
        self.arrivals_s.truncate(kept);
        self.index.clear();
        self.indexed = 0;
    }

    fn find(&mut self, hash: u64) -> Option<usize> {
        if self.hashes.len() <= MAX_SEARCHED {
            return self.hashes.iter().position(|seen| *seen == hash);
        }
        let new = self.hashes.iter().enumerate().skip(self.indexed);
        self.index.extend(new.map(|(at, seen)| (*seen, at)));
        self.indexed = self.hashes.len();
        self.index.get(&hash).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct From(u64);

    impl InFlight for From {
        fn may_return(&self, _: &PartitionId, offset: Offset) -> bool {
            offset.sequence >= self.0.into()
        }
    }

    fn hash(n: u64) -> u64 {
        n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16
    }

    fn offset(n: u64) -> Offset {
        Offset::new(n.into(), 0)
    }

    fn seen(count: u64) -> Seen {
        let mut seen = Seen::default();
        let partition = PartitionId::new("p");
        (0..count).for_each(|n| seen.push(hash(n), Timestamp::from_ms(n as i64), &partition, offset(n)));
        seen
    }

    #[test]
    fn few_and_many_are_found_alike() {
        let (here, elsewhere) = (PartitionId::new("p"), PartitionId::new("q"));
        for count in [1, MAX_SEARCHED as u64, 5_000] {
            let mut seen = seen(count);
            let last = count - 1;
            assert!(seen.has(hash(last)) && seen.has_at(hash(last), &here, offset(last)), "{count}");
            assert!(!seen.has_at(hash(last), &elsewhere, offset(last)), "{count}");
            assert!(!seen.has_at(hash(last), &here, offset(count)), "{count}");
            assert!(!seen.has(12345), "{count}");
            seen.push(12345, Timestamp::from_ms(0), &here, offset(count));
            assert!(seen.has_at(12345, &here, offset(count)), "{count} and one more");
        }
    }

    #[test]
    fn what_may_return_is_never_forgotten() {
        let mut messages = seen(2_000);
        messages.forget(&From(500), Timestamp::from_ms(i64::MAX / 2));
        assert_eq!(messages.hashes.len(), 1_500);
        assert!(messages.has_at(hash(500), &PartitionId::new("p"), offset(500)), "its place moved with it");
        messages.forget(&From(u64::MAX), Timestamp::from_ms(0));
        assert_eq!((messages.hashes.len(), messages.hashes[0]), (MAX_MESSAGES, hash(2_000 - MAX_MESSAGES as u64)));
        messages.forget(&From(u64::MAX), Timestamp::from_ms(i64::MAX / 2));
        assert_eq!(messages, Seen::default());
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let place = |at| Place { at, partition: PartitionId::new("p"), offset: offset(0) };
        assert!(Seen::new(vec![1, 2], vec![0, 0], vec![place(0), place(1)]).is_some());
        for (hashes, arrivals_s, places) in [
            (vec![1], vec![], vec![]),
            (vec![1], vec![0], vec![place(1)]),
            (vec![1, 2], vec![0, 0], vec![place(1), place(0)]),
        ] {
            assert_eq!(Seen::new(hashes, arrivals_s, places), None);
        }
    }
}
