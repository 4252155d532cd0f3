//! Which shard a partition key belongs to: equal shares of the 128-bit space of MD5, as Kinesis cuts them.

use md5::{Digest, Md5};

pub(crate) struct HashSpace {
    /// Where each shard's share begins. Invariant: ascending, the first is 0.
    starts: Vec<u128>,
}

impl HashSpace {
    /// `shards`: at least 1.
    pub fn split(shards: usize) -> Self {
        let count = shards as u128;
        let divides_evenly = u128::MAX % count == count - 1;
        // 2^128 / count. For one shard that is too large by 1, and is not used.
        let width = if divides_evenly { (u128::MAX / count).saturating_add(1) } else { u128::MAX / count };
        Self { starts: (0..count).map(|at| at * width).collect() }
    }

    pub fn shard_of(&self, hash: u128) -> usize {
        self.starts.partition_point(|start| *start <= hash).saturating_sub(1)
    }

    /// Both ends belong to the shard.
    pub fn range(&self, shard: usize) -> Option<(u128, u128)> {
        let end = self.starts.get(shard + 1).map_or(u128::MAX, |next| next - 1);
        Some((*self.starts.get(shard)?, end))
    }
}

pub(crate) fn hash_of(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_kinesis() {
        let three = HashSpace::split(3);
        let expected = [
            (0, 113_427_455_640_312_821_154_458_202_477_256_070_484),
            (113_427_455_640_312_821_154_458_202_477_256_070_485, 226_854_911_280_625_642_308_916_404_954_512_140_969),
            (226_854_911_280_625_642_308_916_404_954_512_140_970, u128::MAX),
        ];
        for (shard, range) in expected.into_iter().enumerate() {
            assert_eq!(three.range(shard), Some(range));
        }
        assert_eq!(HashSpace::split(2).range(1), Some((1 << 127, u128::MAX)));
    }

    #[test]
    fn shares_touch_and_cover_all_hashes() {
        for shards in [1, 2, 3, 4, 5, 7, 64, 100, 10_000] {
            let space = HashSpace::split(shards);
            let mut next = Some(0);
            for shard in 0..shards {
                let (first, last) = space.range(shard).expect("a shard");
                assert_eq!(Some(first), next, "{shard} of {shards}");
                assert_eq!((space.shard_of(first), space.shard_of(last)), (shard, shard), "{shard} of {shards}");
                next = last.checked_add(1);
            }
            assert_eq!(next, None, "{shards} end where the hashes do");
            assert_eq!(space.range(shards), None);
        }
    }
}
