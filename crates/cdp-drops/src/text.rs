//! Text in whatever encoding becomes UTF-8, as a stream.
//!
//! A byte order mark decides; then what was configured; then the look of UTF-16; then, once the first byte beyond ASCII
//! comes, whether the text around it is UTF-8 rather than the fallback. What can't be decoded becomes the byte FF, which
//! is in no UTF-8, so that exactly the rows that hold it are refused.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::window::with_room;

/// How much is looked at to decide: no more, however much there is, so that the same text is always read in the same way.
const HEAD: usize = 512;
const LOOK_AHEAD: usize = 64 << 10;
const CHUNK: usize = 64 << 10;
/// More than the longest character, and the mark of a broken one.
const LEAST_ROOM: usize = 16;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Assumed {
    Encoding(&'static Encoding),
    /// UTF-8, unless it is not; `None`: then too.
    Utf8Or(Option<&'static Encoding>),
}

pub(crate) struct Text {
    input: Input,
    state: State,
    /// Read from the input, and not decoded yet.
    pending: Pending,
    /// Decoded, and not read from here yet.
    decoded: Pending,
}

enum State {
    Fresh(Assumed),
    Ascii { fallback: &'static Encoding },
    Utf8,
    Decoding { decoder: Box<Decoder>, finished: bool },
}

/// A fault waits until what was read before it is read from here too.
struct Input {
    reader: Box<dyn Read + Send>,
    fault: Option<io::Error>,
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.fault.take() {
            Some(fault) => Err(fault),
            None => self.reader.read(into),
        }
    }
}

/// What was read is `bytes[at..end]`. The rest is room, which is cleared once: content may come in crumbs.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    at: usize,
    end: usize,
}

impl Text {
    pub fn new(input: Box<dyn Read + Send>, assumed: Assumed) -> Self {
        let input = Input { reader: input, fault: None };
        Self { input, state: State::Fresh(assumed), pending: Pending::default(), decoded: Pending::default() }
    }

    /// As far as it is known by now.
    pub fn encoding(&self) -> &'static str {
        match &self.state {
            State::Fresh(_) | State::Ascii { .. } | State::Utf8 => UTF_8.name(),
            State::Decoding { decoder, .. } => decoder.encoding().name(),
        }
    }

    fn begin(&mut self, assumed: Assumed) -> io::Result<State> {
        self.pending.fill(&mut self.input, HEAD)?;
        let head = self.pending.first(HEAD);
        if let Some((encoding, mark)) = Encoding::for_bom(head) {
            self.pending.at += mark;
            return Ok(decoding(encoding));
        }
        Ok(match assumed {
            Assumed::Encoding(encoding) => decoding(encoding),
            Assumed::Utf8Or(fallback) => match (looks_like_utf16(head), fallback) {
                (Some(encoding), _) => decoding(encoding),
                (None, Some(fallback)) => State::Ascii { fallback },
                (None, None) => State::Utf8,
            },
        })
    }

    /// Passes ASCII on; decides at the first byte beyond it.
    fn read_ascii(&mut self, fallback: &'static Encoding, into: &mut [u8]) -> io::Result<usize> {
        if self.pending.rest().is_empty() {
            self.pending.fill(&mut self.input, 1)?;
        }
        let rest = self.pending.rest();
        let window = rest.get(..into.len()).unwrap_or(rest);
        let ascii = if window.is_ascii() { window.len() } else { window.iter().take_while(|b| b.is_ascii()).count() };
        if ascii > 0 || window.is_empty() {
            return Ok(self.pending.take(&mut into[..ascii]));
        }
        self.pending.fill(&mut self.input, LOOK_AHEAD)?;
        self.state = if is_rather_utf8(self.pending.first(LOOK_AHEAD)) { State::Utf8 } else { decoding(fallback) };
        self.read(into)
    }

    fn decode_more(&mut self) -> io::Result<()> {
        if self.pending.rest().is_empty() {
            self.pending.fill(&mut self.input, 1)?;
        }
        let State::Decoding { decoder, finished } = &mut self.state else { return Ok(()) };
        let is_last = self.pending.rest().is_empty();
        let out = self.decoded.room_after(0);
        let mut length = 0;
        while length + LEAST_ROOM < out.len() {
            // One byte is left for the mark.
            let most = out.len() - 1;
            let room = &mut out[length..most];
            let (result, read, written) =
                decoder.decode_to_utf8_without_replacement(self.pending.rest(), room, is_last);
            self.pending.at += read;
            length += written;
            match result {
                DecoderResult::Malformed(..) => {
                    out[length] = 0xff;
                    length += 1;
                }
                DecoderResult::InputEmpty => {
                    *finished = is_last;
                    break;
                }
                DecoderResult::OutputFull => break,
            }
        }
        (self.decoded.at, self.decoded.end) = (0, length);
        Ok(())
    }
}

impl Read for Text {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        if let State::Fresh(assumed) = self.state {
            self.state = self.begin(assumed)?;
        }
        match self.state {
            State::Ascii { fallback } => return self.read_ascii(fallback, into),
            State::Utf8 | State::Fresh(_) if self.pending.rest().is_empty() => return self.input.read(into),
            State::Utf8 | State::Fresh(_) => return Ok(self.pending.take(into)),
            State::Decoding { .. } => {}
        }
        while self.decoded.rest().is_empty() {
            if let State::Decoding { finished: true, .. } = self.state {
                return Ok(0);
            }
            self.decode_more()?;
        }
        Ok(self.decoded.take(into))
    }
}

impl Pending {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..self.end).unwrap_or_default()
    }

    fn first(&self, bytes: usize) -> &[u8] {
        self.rest().get(..bytes).unwrap_or(self.rest())
    }

    fn take(&mut self, into: &mut [u8]) -> usize {
        let count = self.rest().len().min(into.len());
        into[..count].copy_from_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        count
    }

    /// Reads until there are `least` bytes, or no more.
    fn fill(&mut self, input: &mut Input, least: usize) -> io::Result<()> {
        self.bytes.copy_within(self.at..self.end, 0);
        (self.at, self.end) = (0, self.end - self.at);
        while self.end < least {
            let before = self.end;
            match input.read(self.room_after(before)) {
                Ok(0) => break,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if before == 0 => return Err(error),
                Err(error) => {
                    input.fault = Some(error);
                    break;
                }
            }
        }
        Ok(())
    }

    /// [`CHUNK`] bytes.
    fn room_after(&mut self, end: usize) -> &mut [u8] {
        if self.bytes.len() < end + CHUNK {
            self.bytes = with_room(&self.bytes[..end], CHUNK);
        }
        &mut self.bytes[end..end + CHUNK]
    }
}

fn decoding(encoding: &'static Encoding) -> State {
    if encoding == UTF_8 {
        return State::Utf8;
    }
    State::Decoding { decoder: Box::new(encoding.new_decoder_without_bom_handling()), finished: false }
}

/// Text of Latin letters as UTF-16 has a NUL in most pairs, always on the same side.
fn looks_like_utf16(head: &[u8]) -> Option<&'static Encoding> {
    let pairs = head.len() / 2;
    let (first, second) = head
        .chunks_exact(2)
        .fold((0, 0), |(first, second), pair| (first + usize::from(pair[0] == 0), second + usize::from(pair[1] == 0)));
    match pairs >= 2 {
        true if second * 2 > pairs && first == 0 => Some(UTF_16LE),
        true if first * 2 > pairs && second == 0 => Some(UTF_16BE),
        _ => None,
    }
}

/// Text of another encoding hardly ever forms characters of UTF-8; a few broken characters do not make another encoding.
fn is_rather_utf8(sample: &[u8]) -> bool {
    let (mut characters, mut broken) = (0usize, 0usize);
    for chunk in sample.utf8_chunks() {
        characters += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    characters > broken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], assumed: Assumed) -> (Vec<u8>, &'static str) {
        let mut text = Text::new(Box::new(std::io::Cursor::new(bytes.to_vec())), assumed);
        let mut out = Vec::new();
        text.read_to_end(&mut out).expect("memory");
        let encoding = text.encoding();
        (out, encoding)
    }

    const LATIN: Assumed = Assumed::Utf8Or(Some(encoding_rs::WINDOWS_1252));
    const STRICT: Assumed = Assumed::Utf8Or(None);

    fn utf16(text: &str, mark: bool, swap: bool) -> Vec<u8> {
        let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
        units.flat_map(|unit| if swap { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    #[test]
    fn text_becomes_utf8_whatever_it_was() {
        let latin = b"name\nJos\xe9\n".as_slice();
        let late = [&[b'a'; 200_000][..], b"\xe9 \x80"].concat();
        let (late_utf8, jose) = (format!("{}é €", "a".repeat(200_000)), "name\nJosé\n");
        let shift_jis = b"\x93\xfa\x96{".as_slice();
        for (bytes, assumed, expected, encoding) in [
            (jose.as_bytes(), LATIN, jose, "UTF-8"),
            (latin, LATIN, jose, "windows-1252"),
            (&late, LATIN, &late_utf8, "windows-1252"),
            (late_utf8.as_bytes(), LATIN, &late_utf8, "UTF-8"),
            (b"\xef\xbb\xbfname", LATIN, "name", "UTF-8"),
            (&utf16(jose, true, false), LATIN, jose, "UTF-16LE"),
            (&utf16(jose, true, true), STRICT, jose, "UTF-16BE"),
            (&utf16(jose, false, false), STRICT, jose, "UTF-16LE"),
            (&utf16(jose, false, true), LATIN, jose, "UTF-16BE"),
            (shift_jis, Assumed::Encoding(encoding_rs::SHIFT_JIS), "日本", "Shift_JIS"),
            (b"", LATIN, "", "UTF-8"),
        ] {
            let (text, told) = read(bytes, assumed);
            assert_eq!(String::from_utf8_lossy(&text), expected);
            assert_eq!(told, encoding);
        }
    }

    #[test]
    fn a_broken_character_stays_broken_and_does_not_change_the_encoding() {
        let (text, told) = read(b"Jos\xc3\xa9 and Ren\xc3\xa9 and \xff", LATIN);
        assert_eq!((text.as_slice(), told), (b"Jos\xc3\xa9 and Ren\xc3\xa9 and \xff".as_slice(), "UTF-8"));
        let mut lone = utf16("ab", true, false);
        lone.extend_from_slice(&[0x00, 0xd8, b'c', 0]);
        assert_eq!(read(&lone, LATIN).0, b"ab\xffc");
        assert_eq!(read(b"a\xe9", STRICT).0, b"a\xe9");
    }
}
