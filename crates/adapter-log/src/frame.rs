//! One record in a segment.

use std::ops::Range;

use cdp_event::Timestamp;

/// Of key and data together. Keeps a damaged length from being believed.
pub(crate) const MAX_RECORD_BYTES: usize = 16 << 20;

/// Length and checksum.
const PREFIX: usize = 8;
/// From the checksum to the key.
const FIXED: usize = 22;
pub(crate) const OVERHEAD: usize = PREFIX + FIXED;

/// Places are relative to the bytes that were parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub sequence: u64,
    pub arrived_at: Timestamp,
    /// How many bytes before this frame its write began.
    pub back: u32,
    pub key: Range<usize>,
    pub data: Range<usize>,
}

pub(crate) enum Parsed {
    Frame(Frame),
    /// The frame has so many bytes, and not all of them are there.
    Short(usize),
    Bad(&'static str),
}

/// Appends a frame to the write that `buffer` holds. The key has at most 65,535 bytes, key and data [`MAX_RECORD_BYTES`].
pub(crate) fn encode(buffer: &mut Vec<u8>, sequence: u64, arrived_at: Timestamp, key: &str, data: &[u8]) {
    let start = buffer.len();
    buffer.reserve(OVERHEAD + key.len() + data.len());
    buffer.extend_from_slice(&((FIXED + key.len() + data.len()) as u32).to_le_bytes());
    buffer.extend_from_slice(&[0; 4]);
    buffer.extend_from_slice(&(start as u32).to_le_bytes());
    buffer.extend_from_slice(&sequence.to_le_bytes());
    buffer.extend_from_slice(&arrived_at.as_ms().to_le_bytes());
    buffer.extend_from_slice(&(key.len() as u16).to_le_bytes());
    buffer.extend_from_slice(key.as_bytes());
    buffer.extend_from_slice(data);
    if let Some((prefix, checked)) = buffer.get_mut(start..).and_then(|frame| frame.split_first_chunk_mut::<PREFIX>()) {
        prefix[4..].copy_from_slice(&crc32fast::hash(checked).to_le_bytes());
    }
}

/// The frame that begins at `at`.
pub(crate) fn parse(bytes: &[u8], at: usize) -> Parsed {
    let rest = bytes.get(at..).unwrap_or_default();
    let Some((length, rest)) = number(rest, u32::from_le_bytes) else { return Parsed::Short(PREFIX) };
    let length = length as usize;
    if !(FIXED..=FIXED + MAX_RECORD_BYTES).contains(&length) {
        return Parsed::Bad("its length can't be");
    }
    let Some((crc, rest)) = number(rest, u32::from_le_bytes) else { return Parsed::Short(PREFIX + length) };
    let Some(checked) = rest.get(..length) else { return Parsed::Short(PREFIX + length) };
    if crc32fast::hash(checked) != crc {
        return Parsed::Bad("its checksum is wrong");
    }
    parse_checked(checked, at + PREFIX).map_or(Parsed::Bad("its partition key is longer than itself"), Parsed::Frame)
}

/// The sequence number of the frame that may begin at `at`, unchecked.
pub(crate) fn claimed_sequence(bytes: &[u8], at: usize) -> Option<u64> {
    const BEFORE_IT: usize = PREFIX + 4;
    number(bytes.get(at + BEFORE_IT..)?, u64::from_le_bytes).map(|(sequence, _)| sequence)
}

fn parse_checked(bytes: &[u8], at: usize) -> Option<Frame> {
    let (back, rest) = number(bytes, u32::from_le_bytes)?;
    let (sequence, rest) = number(rest, u64::from_le_bytes)?;
    let (arrived_at, rest) = number(rest, i64::from_le_bytes)?;
    let (key_length, rest) = number(rest, u16::from_le_bytes)?;
    let (key, end) = (at + FIXED, at + bytes.len());
    let data = key + usize::from(key_length);
    (usize::from(key_length) <= rest.len()).then_some(Frame {
        sequence,
        arrived_at: Timestamp::from_ms(arrived_at),
        back,
        key: key..data,
        data: data..end,
    })
}

fn number<const N: usize, T>(bytes: &[u8], read: fn([u8; N]) -> T) -> Option<(T, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<N>()?;
    Some((read(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        let mut bytes = vec![];
        for (sequence, key, data) in [(0, "k", &b""[..]), (7, "", b"data"), (u64::MAX, &"日".repeat(256), b"x")] {
            let at = bytes.len();
            encode(&mut bytes, sequence, Timestamp::from_ms(-5), key, data);
            let Parsed::Frame(frame) = parse(&bytes, at) else { panic!("frame {sequence}") };
            assert_eq!((frame.sequence, frame.arrived_at.as_ms(), frame.back), (sequence, -5, at as u32));
            assert_eq!(claimed_sequence(&bytes, at), Some(sequence));
            assert_eq!((&bytes[frame.key], &bytes[frame.data.clone()]), (key.as_bytes(), data));
            assert_eq!(frame.data.end, bytes.len());
        }
    }

    #[test]
    fn a_cut_or_changed_frame_is_never_a_frame() {
        let mut whole = vec![];
        encode(&mut whole, 7, Timestamp::from_ms(1), "key", b"data");
        for cut in 0..whole.len() {
            assert!(matches!(parse(&whole[..cut], 0), Parsed::Short(length) if length > cut), "cut to {cut}");
        }
        for at in 0..whole.len() {
            for flip in [0x01, 0x80, 0xFF] {
                let mut changed = whole.clone();
                changed[at] ^= flip;
                assert!(!matches!(parse(&changed, 0), Parsed::Frame(_)), "byte {at} ^ {flip:#x}");
            }
        }
        assert!(matches!(parse(&[0; 100], 0), Parsed::Bad(_)), "what a crash may leave of a file that grew");
    }
}
