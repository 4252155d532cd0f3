//! A JSON array, element by element: only where an element ends is looked for here; whether it is JSON is seen later.

use std::io;

use super::json::JsonShape;
use super::{ReadRows, Step, too_long};
use crate::batch::Batch;
use crate::window::{MAX_ROW_BYTES, Window, head_of};

pub(super) struct JsonArrayRows {
    window: Window,
    shape: JsonShape,
    row: Element,
    length: usize,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    Inside,
    After,
}

enum Element {
    /// As many bytes as `length`.
    Whole,
    TooLong(Vec<u8>),
}

impl JsonArrayRows {
    pub fn new(window: Window, shape: JsonShape) -> Self {
        Self { window, shape, row: Element::Whole, length: 0, place: Place::Before }
    }

    /// The next byte that is no white space and no comma between elements; it is not consumed.
    fn next_sign(&mut self) -> io::Result<Option<u8>> {
        loop {
            let inside = self.place == Place::Inside;
            let is_between = |byte: &u8| byte.is_ascii_whitespace() || (inside && *byte == b',');
            let unread = self.window.unread();
            let between = unread.iter().take_while(|byte| is_between(byte)).count();
            let sign = unread.get(between).copied();
            self.window.consume(between);
            if sign.is_some() || self.window.is_last() {
                return Ok(sign);
            }
            self.window.more()?;
        }
    }

    fn cut_off(&self) -> Step {
        let detail = self.window.cut().unwrap_or("the array has no end").to_owned();
        Step::CutOff { detail, rest: head_of(self.window.unread()) }
    }

    fn element(&mut self) -> io::Result<Step> {
        let mut scan = Scan::default();
        loop {
            if let Some(length) = scan.end(self.window.unread()) {
                if length > MAX_ROW_BYTES {
                    self.row = Element::TooLong(head_of(self.window.unread()));
                    self.window.consume(length);
                } else {
                    (self.row, self.length) = (Element::Whole, length);
                }
                return Ok(Step::Row);
            }
            if self.window.is_last() {
                return Ok(self.cut_off());
            }
            if self.window.unread().len() > MAX_ROW_BYTES {
                return self.pass_element(scan);
            }
            self.window.more()?;
        }
    }

    fn pass_element(&mut self, mut scan: Scan) -> io::Result<Step> {
        let head = head_of(self.window.unread());
        loop {
            if let Some(length) = scan.end(self.window.unread()) {
                self.window.consume(length);
                self.row = Element::TooLong(head);
                return Ok(Step::Row);
            }
            if self.window.is_last() {
                let detail = self.window.cut().unwrap_or("the array has no end").to_owned();
                return Ok(Step::CutOff { detail, rest: head });
            }
            self.window.consume(scan.at);
            scan.at = 0;
            self.window.more()?;
        }
    }
}

impl ReadRows for JsonArrayRows {
    fn advance(&mut self) -> io::Result<Step> {
        self.window.consume(std::mem::take(&mut self.length));
        match (self.place, self.next_sign()?) {
            (Place::Before, Some(b'[')) => {
                self.window.consume(1);
                self.place = Place::Inside;
                self.advance()
            }
            (Place::Before, None) if self.window.cut().is_none() => Ok(Step::End),
            (Place::Inside, Some(b']')) => {
                self.window.consume(1);
                self.place = Place::After;
                self.advance()
            }
            (Place::Inside, Some(_)) => self.element(),
            (Place::After, None) if self.window.cut().is_none() => Ok(Step::End),
            (Place::Before, Some(_)) => {
                Ok(Step::CutOff { detail: "it is no JSON array".to_owned(), rest: head_of(self.window.unread()) })
            }
            (Place::After, Some(_)) => Ok(Step::CutOff {
                detail: "something stands after the array's end".to_owned(),
                rest: head_of(self.window.unread()),
            }),
            (_, None) => Ok(self.cut_off()),
        }
    }

    fn emit(&mut self, number: u64, batch: &mut Batch) {
        match &self.row {
            Element::Whole => {
                let raw = self.window.unread().get(..self.length).unwrap_or_default();
                self.shape.emit(number, raw, batch);
            }
            Element::TooLong(head) => {
                let (head, rejection) = too_long(head);
                batch.push_refused(number, &head, rejection);
            }
        }
    }

    fn encoding(&self) -> &'static str {
        self.window.encoding()
    }
}

/// Looks for the end of one element, and goes on where it stood when there is more to see.
#[derive(Default)]
struct Scan {
    at: usize,
    depth: usize,
    in_string: bool,
    /// A backslash was the last byte seen.
    escaped: bool,
    begun: bool,
}

impl Scan {
    /// The element's length, once its end is in `bytes`, which begin where they did the last time.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        while let Some(rest) = bytes.get(self.at..).filter(|rest| !rest.is_empty()) {
            if self.escaped {
                self.escaped = false;
                self.at += 1;
                continue;
            }
            if self.in_string {
                let Some(found) = memchr::memchr2(b'"', b'\\', rest) else {
                    self.at = bytes.len();
                    return None;
                };
                self.escaped = rest.get(found) == Some(&b'\\');
                self.in_string = self.escaped;
                self.at += found + 1;
                if !self.in_string && self.depth == 0 {
                    return Some(self.at);
                }
                continue;
            }
            let Some(found) = rest.iter().position(|byte| SIGNS[usize::from(*byte)]) else {
                self.begun = true;
                self.at = bytes.len();
                return None;
            };
            let sign = rest.get(found).copied().unwrap_or_default();
            let is_bare = self.depth == 0 && (self.begun || found > 0);
            self.at += found;
            match sign {
                // A bare word or number ends where something else begins.
                _ if is_bare && !matches!(sign, b'{' | b'[' | b'"') => return Some(self.at),
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth <= 1 => return Some(self.at + 1),
                b'}' | b']' => self.depth -= 1,
                _ => {}
            }
            self.begun = true;
            self.at += 1;
        }
        None
    }
}

/// Bytes outside of strings that may begin or end something.
const SIGNS: [bool; 256] = {
    let mut signs = [false; 256];
    let all = b"{}[]\",";
    let mut at = 0;
    while at < all.len() {
        signs[all[at] as usize] = true;
        at += 1;
    }
    signs
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_ends_where_it_ends_however_it_is_fed() {
        for (text, expected) in [
            ("{}, {}", Some("{}")),
            (r#"{"a":"}\"]","b":[{}]},"#, Some(r#"{"a":"}\"]","b":[{}]}"#)),
            (r#""a,]" ,"#, Some(r#""a,]""#)),
            ("12, 13", Some("12")),
            ("null]", Some("null")),
            ("[1,[2]] ,", Some("[1,[2]]")),
            ("{\"a\":1", None),
            ("12", None),
        ] {
            let bytes = text.as_bytes();
            for step in 1..=bytes.len() {
                let mut scan = Scan::default();
                let ends = (step..=bytes.len()).step_by(step).chain([bytes.len()]);
                let found = ends.into_iter().find_map(|end| scan.end(&bytes[..end]));
                assert_eq!(found.map(|length| &text[..length]), expected, "{text} by {step}");
            }
        }
    }
}
