//! The messages that a profile has taken, so that a producer's retry is told from something new.

use std::collections::HashMap;

use cdp_event::{Offset, PartitionId, Timestamp};

use crate::InFlight;

/// How long a message id is remembered, and how many at most once their batches are checkpointed.
const WINDOW_MS: i64 = 24 * 3_600_000;
const MAX_MESSAGES: usize = 512;
/// A busy device may send thousands of messages in one batch: beyond this many they are looked up, not searched.
const MAX_SEARCHED: usize = 32;

/// A message that was applied. It has a place while its batch may be delivered again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenMessage {
    pub hash: u64,
    pub received_at: Timestamp,
    pub place: Option<(PartitionId, Offset)>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Invariant: in the order of arrival, each hash once.
    messages: Vec<SeenMessage>,
    /// Where each hash stands, once there are too many to search. Derived, so it is not compared.
    places: HashMap<u64, usize>,
}

impl PartialEq for Seen {
    fn eq(&self, other: &Self) -> bool {
        self.messages == other.messages
    }
}

impl Eq for Seen {}

impl Seen {
    pub fn new(messages: Vec<SeenMessage>) -> Self {
        Self { messages, places: HashMap::new() }
    }

    pub fn messages(&self) -> &[SeenMessage] {
        &self.messages
    }

    pub fn find(&mut self, hash: u64) -> Option<&SeenMessage> {
        if self.messages.len() <= MAX_SEARCHED {
            return self.messages.iter().find(|seen| seen.hash == hash);
        }
        if self.places.is_empty() {
            self.places = self.messages.iter().enumerate().map(|(at, seen)| (seen.hash, at)).collect();
        }
        self.messages.get(*self.places.get(&hash)?)
    }

    pub fn push(&mut self, message: SeenMessage) {
        if !self.places.is_empty() {
            self.places.insert(message.hash, self.messages.len());
        }
        self.messages.push(message);
    }

    /// Takes the places from messages whose batches are done, and forgets those that are out of the window.
    pub fn forget(&mut self, in_flight: &impl InFlight, now: Timestamp) {
        for seen in &mut self.messages {
            seen.place = seen.place.take().filter(|(partition, offset)| in_flight.may_return(partition, *offset));
        }
        let opened = now.plus_ms(-WINDOW_MS);
        let mut surplus = self.messages.len().saturating_sub(MAX_MESSAGES);
        self.messages.retain(|seen| {
            let is_held = seen.place.is_some();
            let is_expired = seen.received_at < opened;
            let is_forgotten = !is_held && (is_expired || surplus > 0);
            if is_forgotten {
                surplus = surplus.saturating_sub(1);
            }
            !is_forgotten
        });
        self.places.clear();
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

    fn seen(count: u64) -> Seen {
        let message = |n: u64| SeenMessage {
            hash: n.wrapping_mul(0x9E37_79B9_7F4A_7C15),
            received_at: Timestamp::from_ms(n as i64),
            place: Some((PartitionId::new("p"), Offset::new(n.into(), 0))),
        };
        let mut seen = Seen::default();
        (0..count).for_each(|n| seen.push(message(n)));
        seen
    }

    #[test]
    fn few_and_many_are_found_alike() {
        for count in [1, MAX_SEARCHED as u64, 5_000] {
            let mut seen = seen(count);
            let last = seen.messages()[count as usize - 1].clone();
            assert_eq!(seen.find(last.hash), Some(&last), "{count}");
            assert_eq!(seen.find(12345), None, "{count}");
        }
    }

    #[test]
    fn what_may_return_is_never_forgotten() {
        let mut messages = seen(2_000);
        messages.forget(&From(500), Timestamp::from_ms(i64::MAX / 2));
        assert_eq!(messages.messages().len(), 1_500);
        messages.forget(&From(u64::MAX), Timestamp::from_ms(0));
        assert_eq!(messages.messages().len(), MAX_MESSAGES);
        messages.forget(&From(u64::MAX), Timestamp::from_ms(i64::MAX / 2));
        assert_eq!(messages.messages().len(), 0);
    }
}
