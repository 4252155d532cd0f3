//! One pass over JSON text. Each byte is checked once, whether its value is needed or passed over.
//!
//! Strict as RFC 8259 has it, for text that is UTF-8 and has no lone surrogate.

use std::borrow::Cow;

use super::Fault;
use super::escape::unescaped;

/// Objects and lists in each other.
pub(crate) const MAX_DEPTH: usize = 64;

/// Stands before a value, or behind it.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

/// What stands between quotes.
#[derive(Clone, Copy)]
struct Quoted<'a> {
    text: &'a str,
    is_escaped: bool,
}

impl<'a> Quoted<'a> {
    fn read(self) -> Cow<'a, str> {
        if self.is_escaped { Cow::Owned(unescaped(self.text)) } else { Cow::Borrowed(self.text) }
    }
}

/// A value's first byte tells what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    List,
    Text,
    Number,
    True,
    False,
    Null,
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// Nothing but white space is left.
    pub fn end(mut self) -> Result<(), Fault> {
        match self.next_byte() {
            None => Ok(()),
            Some(_) => Err(self.expected("the end")),
        }
    }

    /// What the next value is.
    pub fn kind(&mut self) -> Result<Kind, Fault> {
        match self.next_byte() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::List),
            Some(b'"') => Ok(Kind::Text),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't') => Ok(Kind::True),
            Some(b'f') => Ok(Kind::False),
            Some(b'n') => Ok(Kind::Null),
            Some(_) | None => Err(self.expected("a value")),
        }
    }

    /// Reads an object: `each` is called behind each key, and reads the key's value or passes over it.
    pub fn object(&mut self, mut each: impl FnMut(&mut Self, &str) -> Result<(), Fault>) -> Result<(), Fault> {
        self.open(b'{', "an object")?;
        if self.closes(b'}') {
            return Ok(());
        }
        loop {
            if self.next_byte() != Some(b'"') {
                return Err(self.expected("a key in double quotes"));
            }
            let key = self.quoted()?.read();
            self.take(b':', "a colon")?;
            each(self, &key).map_err(|fault| fault.within(&key))?;
            if self.closes(b'}') {
                return Ok(());
            }
            self.take(b',', "a comma or a closing brace")?;
        }
    }

    /// Reads a list: `each` reads an element or passes over it.
    pub fn list(&mut self, mut each: impl FnMut(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        self.open(b'[', "a list")?;
        if self.closes(b']') {
            return Ok(());
        }
        loop {
            each(self)?;
            if self.closes(b']') {
                return Ok(());
            }
            self.take(b',', "a comma or a closing bracket")?;
        }
    }

    pub fn text(&mut self) -> Result<Cow<'a, str>, Fault> {
        Ok(self.quoted()?.read())
    }

    /// A number's text.
    pub fn number(&mut self) -> Result<&'a str, Fault> {
        let begin = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        if self.byte() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(self.since(begin))
    }

    /// Passes over a value, and answers how it stands.
    pub fn pass(&mut self) -> Result<&'a str, Fault> {
        let kind = self.kind()?;
        let begin = self.at;
        match kind {
            Kind::Object => self.object(|scanner, _| scanner.pass().map(drop))?,
            Kind::List => self.list(|scanner| scanner.pass().map(drop))?,
            Kind::Text => drop(self.quoted()?),
            Kind::Number => drop(self.number()?),
            Kind::True => self.word("true")?,
            Kind::False => self.word("false")?,
            Kind::Null => self.word("null")?,
        }
        Ok(self.since(begin))
    }

    /// What `read` reads, and how it stands.
    pub fn standing<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<(&'a str, T), Fault> {
        self.next_byte();
        let begin = self.at;
        let value = read(self)?;
        Ok((self.since(begin), value))
    }

    fn quoted(&mut self) -> Result<Quoted<'a>, Fault> {
        let bytes = self.text.as_bytes();
        let begin = self.at + 1;
        let mut is_escaped = false;
        self.at = begin;
        loop {
            self.at = end_of_plain(bytes, self.at);
            match bytes.get(self.at) {
                Some(b'"') => {
                    let text = self.since(begin);
                    self.at += 1;
                    return Ok(Quoted { text, is_escaped });
                }
                Some(b'\\') => {
                    is_escaped = true;
                    self.at += self.escape()?;
                }
                Some(_) => return Err(self.expected("an escape for the control character")),
                None => return Err(self.expected("a closing quote")),
            }
        }
    }

    /// How long the escape is.
    fn escape(&self) -> Result<usize, Fault> {
        let escape = self.text.as_bytes().get(self.at + 1..).unwrap_or_default();
        match escape {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Ok(2),
            [b'u', digits @ ..] if digits.iter().take(4).filter(|digit| digit.is_ascii_hexdigit()).count() == 4 => {
                Ok(6)
            }
            _ => Err(self.expected("an escape that JSON has")),
        }
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let begin = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == begin { Err(self.expected("a digit")) } else { Ok(()) }
    }

    fn word(&mut self, word: &'static str) -> Result<(), Fault> {
        if !self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            return Err(self.expected(word));
        }
        self.at += word.len();
        Ok(())
    }

    fn open(&mut self, bracket: u8, what: &'static str) -> Result<(), Fault> {
        self.take(bracket, what)?;
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(Fault::too_deep(self.at - 1)) } else { Ok(()) }
    }

    fn closes(&mut self, bracket: u8) -> bool {
        let closes = self.next_byte() == Some(bracket);
        self.at += usize::from(closes);
        self.depth -= usize::from(closes);
        closes
    }

    fn take(&mut self, byte: u8, what: &'static str) -> Result<(), Fault> {
        if self.next_byte() != Some(byte) {
            return Err(self.expected(what));
        }
        self.at += 1;
        Ok(())
    }

    /// The next byte that is no white space; we stand at it then.
    fn next_byte(&mut self) -> Option<u8> {
        loop {
            match self.byte() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other,
            }
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn since(&self, begin: usize) -> &'a str {
        self.text.get(begin..self.at).unwrap_or_default()
    }

    #[cold]
    fn expected(&self, what: &'static str) -> Fault {
        Fault::expected(what, self.at)
    }
}

/// The first byte from `at` on that ends or interrupts a string: a quote, a backslash, or a control character. Eight at a
/// time.
fn end_of_plain(bytes: &[u8], mut at: usize) -> usize {
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let found = interrupts(u64::from_le_bytes(*eight));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|byte| *byte >= b' ' && !matches!(byte, b'"' | b'\\')) {
        at += 1;
    }
    at
}

/// Sets the highest bit of the first such byte; what is set above that one means nothing. A byte less a larger one borrows,
/// which sets its highest bit, where it was not set before. (Bit Twiddling Hacks, "determine if a word has a byte less than n".)
fn interrupts(eight: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = EACH << 7;
    let less_than = |word: u64, n: u8| word.wrapping_sub(EACH * u64::from(n)) & !word;
    let is = |byte: u8| less_than(eight ^ (EACH * u64::from(byte)), 1);
    (is(b'"') | is(b'\\') | less_than(eight, b' ')) & HIGHEST
}
