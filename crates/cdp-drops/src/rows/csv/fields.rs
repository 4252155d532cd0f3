//! A row's fields: where they are in its bytes, and those bytes without quotes.

use std::ops::Range;

#[derive(Default)]
pub(super) struct Fields {
    pub ranges: Vec<Range<usize>>,
    /// The row without its quotes; empty when there are none, and the ranges are of the row itself.
    pub unquoted: Vec<u8>,
}

/// What comes after the bytes in hand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    None,
    Unseen,
}

pub(super) enum Parsed {
    /// The row's length, and the length with its line's end.
    Row { length: usize, after: usize },
    /// Where, and how.
    Broken { at: usize, problem: &'static str },
    /// It ends in an open quote, or may go on.
    Open,
}

impl Fields {
    fn clear(&mut self) {
        self.ranges.clear();
        self.unquoted.clear();
    }

    pub fn split(&mut self, text: &[u8], delimiter: u8) {
        self.clear();
        let mut start = 0;
        for end in memchr::memchr_iter(delimiter, text) {
            self.ranges.push(start..end);
            start = end + 1;
        }
        self.ranges.push(start..text.len());
    }

    pub fn split_at_blanks(&mut self, text: &[u8]) {
        self.clear();
        let mut start = None;
        for (at, byte) in text.iter().enumerate() {
            match (start, matches!(byte, b' ' | b'\t')) {
                (None, false) => start = Some(at),
                (Some(begun), true) => {
                    self.ranges.push(begun..at);
                    start = None;
                }
                (None, true) | (Some(_), false) => {}
            }
        }
        self.ranges.extend(start.map(|begun| begun..text.len()));
    }

    /// A row with quotes. A quote inside a field that does not begin with one is an ordinary character.
    pub fn parse(&mut self, bytes: &[u8], delimiter: u8, newline: u8, rest: Rest) -> Parsed {
        self.clear();
        // So that a row of empty quotes is not taken for one without any.
        self.unquoted.push(b' ');
        let mut at = 0;
        loop {
            let start = self.unquoted.len();
            if bytes.get(at) == Some(&b'"') {
                match self.parse_quotes(bytes, at + 1) {
                    Some(after) => at = after,
                    None => return Parsed::Open,
                }
                self.ranges.push(start..self.unquoted.len());
            } else {
                let from = bytes.get(at..).unwrap_or_default();
                let length = memchr::memchr2(delimiter, newline, from).unwrap_or(from.len());
                let field = from.get(..length).unwrap_or_default();
                at += length;
                let is_last = bytes.get(at) != Some(&delimiter);
                let field = if is_last { field.strip_suffix(b"\r").unwrap_or(field) } else { field };
                self.unquoted.extend_from_slice(field);
                self.ranges.push(start..self.unquoted.len());
            }
            let may_be_carriage = newline == b'\n' && bytes.get(at) == Some(&b'\r');
            let carriage = may_be_carriage && matches!(bytes.get(at + 1), Some(b'\n') | None);
            let end = at + usize::from(carriage);
            match bytes.get(end) {
                Some(byte) if *byte == newline => {
                    let length = if bytes.get(at.saturating_sub(1)) == Some(&b'\r') { at - 1 } else { at };
                    return Parsed::Row { length, after: end + 1 };
                }
                None if rest == Rest::Unseen => return Parsed::Open,
                None => return Parsed::Row { length: at, after: end },
                Some(byte) if *byte == delimiter && !carriage => at += 1,
                Some(_) => return Parsed::Broken { at: end, problem: "there is text after a closing quote" },
            }
        }
    }

    /// From behind the opening quote; answers where it stands behind the closing one.
    fn parse_quotes(&mut self, bytes: &[u8], mut at: usize) -> Option<usize> {
        loop {
            let rest = bytes.get(at..)?;
            let quote = memchr::memchr(b'"', rest)?;
            self.unquoted.extend_from_slice(rest.get(..quote)?);
            at += quote + 1;
            if bytes.get(at) != Some(&b'"') {
                return Some(at);
            }
            self.unquoted.push(b'"');
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_taken_off() {
        for (text, expected) in [
            ("\"a\",b\n", Ok(("\"a\",b", vec!["a", "b"]))),
            ("\"a\"\"b\",\"\"\r\nnext", Ok(("\"a\"\"b\",\"\"", vec!["a\"b", ""]))),
            ("\"two\nlines\",x\r\n", Ok(("\"two\nlines\",x", vec!["two\nlines", "x"]))),
            ("5\" disc,\"b\"", Ok(("5\" disc,\"b\"", vec!["5\" disc", "b"]))),
            ("\"a\",", Ok(("\"a\",", vec!["a", ""]))),
            ("\"a\"b,c\n", Err("there is text after a closing quote")),
            ("\"a,b\n", Err("open")),
        ] {
            let mut fields = Fields::default();
            let parsed = match fields.parse(text.as_bytes(), b',', b'\n', Rest::None) {
                Parsed::Row { length, .. } => {
                    let field =
                        |range: &Range<usize>| std::str::from_utf8(&fields.unquoted[range.clone()]).expect("text");
                    Ok((&text[..length], fields.ranges.iter().map(field).collect()))
                }
                Parsed::Broken { problem, .. } => Err(problem),
                Parsed::Open => Err("open"),
            };
            assert_eq!(parsed, expected, "{text}");
        }
    }
}
