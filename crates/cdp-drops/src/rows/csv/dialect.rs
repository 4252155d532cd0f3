//! How a file writes its rows, told from its first lines.

use crate::settings::Delimiter;

/// Old files end their lines with a carriage return alone.
pub(super) fn lone_newline(sample: &[u8]) -> u8 {
    if sample.contains(&b'\r') { b'\r' } else { b'\n' }
}

/// The delimiter that is in each of the first lines, outside of quotes, most often. A line with a NUL is broken, and tells
/// nothing; nor does one of a single field below a header that has more.
pub(super) fn sniff(sample: &[u8], newline: u8) -> Delimiter {
    const LINES: usize = 10;
    const CANDIDATES: [u8; 4] = [b',', b';', b'\t', b'|'];
    let mut least = [usize::MAX; CANDIDATES.len()];
    let (mut counts, mut quoted, mut lines, mut length) = ([0usize; CANDIDATES.len()], false, 0, 0);
    let mut is_broken = false;
    for byte in sample.iter().chain([&newline]) {
        if *byte == b'"' {
            quoted = !quoted;
        }
        is_broken |= *byte == 0;
        if *byte == newline && !quoted && is_broken {
            (counts, length, is_broken) = ([0; CANDIDATES.len()], 0, false);
            continue;
        }
        if *byte == newline && !quoted && length > 0 {
            let is_cut_short = lines > 0 && counts == [0; CANDIDATES.len()];
            if !is_cut_short {
                least = std::array::from_fn(|at| least[at].min(counts[at]));
            }
            (counts, length) = ([0; CANDIDATES.len()], 0);
            lines += 1;
            if lines == LINES {
                break;
            }
            continue;
        }
        // A line of blanks tells nothing.
        length += usize::from(!byte.is_ascii_whitespace());
        if let (Some(at), false) = (CANDIDATES.iter().position(|candidate| candidate == byte), quoted) {
            counts[at] += 1;
        }
    }
    let best = CANDIDATES.iter().zip(least).filter(|(_, count)| *count != usize::MAX).max_by_key(|(_, count)| *count);
    match best {
        Some((delimiter, 1..)) => Delimiter::Byte(*delimiter),
        Some((_, 0)) | None => Delimiter::Byte(b','),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_is_the_one_that_each_line_has() {
        for (sample, expected) in [
            ("a,b,c\n1,2,3\n", b','),
            ("a;b\n1,5;2,5\n\"x;y\";z\n", b';'),
            ("a\tb\r\n1\t2\r\n", b'\t'),
            ("a|b|c", b'|'),
            ("one column\nhere\n", b','),
            ("a;b\r\n\r\n1;2\r\n", b';'),
            ("name;note\n\"a\";\"x,y,z\nand, more, lines\"\n", b';'),
            ("a;b\n1;2\n\0\0\0\0\n3;4\n", b';'),
            ("a;b;c\n1\n1;2;3\n", b';'),
            ("one column\n1;2\n", b','),
            ("", b','),
        ] {
            assert_eq!(sniff(sample.as_bytes(), b'\n'), Delimiter::Byte(expected), "{sample}");
        }
    }
}
