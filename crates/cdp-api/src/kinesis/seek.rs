//! The place of a moment in a shard. Arrival times ascend in a partition, as far as clocks do, so it is found by halving.

use cdp_event::{Sequence, Timestamp};
use cdp_ports::{PortResult, Stream};

use super::description::Shard;

/// The newest record after `after` that arrived before `moment`; `after` itself where there is none, or where all of those
/// are gone the number before the oldest record kept. Reads some twenty records of a million.
pub(super) async fn seek<S: Stream>(
    stream: &S,
    shard: &Shard,
    after: Option<Sequence>,
    moment: Timestamp,
) -> PortResult<Option<Sequence>> {
    let Some(mut late) = shard.newest else { return Ok(after) };
    // Up to `early`, all came too early or is gone. Beyond `late`, nothing came too early, or nothing came yet.
    let mut early = after.max(before(shard.oldest));
    while early < Some(late) {
        let middle = halfway(early, late);
        let next = stream.read(&shard.id, middle, 1, 1).await?;
        match (next.first(), middle) {
            (Some(record), _) if record.arrived_at < moment => early = Some(record.sequence),
            (_, Some(middle)) => late = middle,
            (_, None) => break,
        }
    }
    Ok(early)
}

/// The number just below; `None` for 0, before which there is nothing.
pub(super) fn before(sequence: Sequence) -> Option<Sequence> {
    let mut bytes = sequence.to_be_bytes();
    let borrowed_from = bytes.iter().rposition(|byte| *byte != 0)?;
    for (at, byte) in bytes.iter_mut().enumerate().skip(borrowed_from) {
        *byte = if at == borrowed_from { *byte - 1 } else { u8::MAX };
    }
    Sequence::from_be_bytes(&bytes)
}

/// Not below `early`, and below `late`, which is the larger one. `None` stands before 0.
fn halfway(early: Option<Sequence>, late: Sequence) -> Option<Sequence> {
    match early {
        Some(early) => mean(early, late),
        None => mean(Sequence::default(), before(late)?),
    }
}

/// Rounded down.
fn mean(one: Sequence, other: Sequence) -> Option<Sequence> {
    let (one, other) = (one.to_be_bytes(), other.to_be_bytes());
    let mut sum = [0; 24];
    let mut carry = 0;
    for ((byte, one), other) in sum.iter_mut().zip(one).zip(other).rev() {
        let digit = u16::from(one) + u16::from(other) + carry;
        (carry, *byte) = (digit >> 8, digit as u8);
    }
    for byte in &mut sum {
        let digit = (carry << 8) | u16::from(*byte);
        (carry, *byte) = (digit & 1, (digit >> 1) as u8);
    }
    Sequence::from_be_bytes(&sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_before_borrows_through_zeros() {
        assert_eq!(before(Sequence::new(0)), None);
        for number in [1, 256, 1 << 64, u128::MAX] {
            assert_eq!(before(Sequence::new(number)), Some(Sequence::new(number - 1)), "{number}");
        }
    }

    #[test]
    fn the_middle_is_not_below_the_one_and_below_the_other() {
        for (early, late, expected) in [
            (None, 0, None),
            (None, 1, Some(0)),
            (None, 6, Some(2)),
            (Some(0), 1, Some(0)),
            (Some(5), 8, Some(6)),
            (Some(1 << 64), (1 << 64) + 2, Some((1 << 64) + 1)),
            (Some(u128::MAX - 2), u128::MAX, Some(u128::MAX - 1)),
        ] {
            let middle = halfway(early.map(Sequence::new), Sequence::new(late));
            assert_eq!(middle, expected.map(Sequence::new), "{early:?} {late}");
        }
        let largest = Sequence::from_be_bytes(&[u8::MAX; 24]);
        assert_eq!(largest.and_then(|largest| mean(largest, largest)), largest);
    }
}
