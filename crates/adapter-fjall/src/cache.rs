//! What is known of the tree without looking.

use bytes::Bytes;
use cdp_ports::Version;
use quick_cache::{DefaultHashBuilder, Weighter, sync};

/// Version and body. `None`: there is no such item.
pub(crate) type Known = Option<(Version, Bytes)>;

/// Bounded by bytes; what was not used for long gives way first.
pub(crate) struct Cache(sync::Cache<Vec<u8>, Known, Bytewise>);

#[derive(Clone)]
struct Bytewise;

impl Weighter<Vec<u8>, Known> for Bytewise {
    fn weight(&self, key: &Vec<u8>, known: &Known) -> u64 {
        /// The entry, its place in the table, and what the allocator keeps for two allocations.
        const OVERHEAD: usize = 160;
        (OVERHEAD + key.len() + known.as_ref().map_or(0, |(_, body)| body.len())) as u64
    }
}

impl Cache {
    pub fn new(bytes: u64) -> Self {
        const USUAL_ITEM: u64 = 512;
        let items = usize::try_from(bytes / USUAL_ITEM).unwrap_or(usize::MAX);
        Self(sync::Cache::with(items, bytes, Bytewise, DefaultHashBuilder::default(), Default::default()))
    }

    /// `None`: nothing is known.
    pub fn get(&self, key: &[u8]) -> Option<Known> {
        self.0.get(key)
    }

    pub fn set(&self, key: Vec<u8>, known: Known) {
        self.0.insert(key, known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_known_or_forgotten_never_old() {
        let cache = Cache::new(10_000);
        for round in 1..100u64 {
            for (key, bytes) in [("small", 10), ("grows", round as usize * 200), ("other", 3000)] {
                let known = (round % 7 != 0).then(|| (round, Bytes::from(vec![0; bytes])));
                cache.set(key.into(), known.clone());
                let found = cache.get(key.as_bytes());
                assert!(found.is_none() || found == Some(known), "{key} in round {round}: {found:?}");
            }
            assert!(cache.0.weight() <= 10_000);
        }
    }
}
