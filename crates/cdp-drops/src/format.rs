//! What a file is: told by its first bytes, then by its name, never by its name alone where the bytes say otherwise.

use std::io::{self, BufReader, Read};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use crate::settings::{Delimiter, DropSettings};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Csv,
    JsonLines,
    JsonArray,
    Parquet,
}

impl Format {
    const ALL: [Self; 4] = [Self::Csv, Self::JsonLines, Self::JsonArray, Self::Parquet];

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "json_lines",
            Self::JsonArray => "json_array",
            Self::Parquet => "parquet",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    pub(crate) fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A file may begin with a skippable frame, as parallel compressors write them.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// Memory stays bounded whatever `file` holds: gzip needs 32 KiB, zstd refuses windows above 128 MiB.
    pub(crate) fn reader(self, file: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
        const FILE_BUFFER: usize = 128 << 10;
        Ok(match self {
            Self::None => Box::new(file),
            Self::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(FILE_BUFFER, file))),
            Self::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(BufReader::with_capacity(FILE_BUFFER, file))?;
                decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
                Box::new(decoder)
            }
        })
    }
}

const MAX_ZSTD_WINDOW_LOG: u32 = 27;

/// The format of what was inflated, `head` being its beginning as text. The error says what it seems to be.
pub(crate) fn detect(name: &str, head: &[u8], settings: &DropSettings) -> Result<Format, String> {
    let is_parquet = settings.format.map_or(head.starts_with(b"PAR1"), |format| format == Format::Parquet);
    if is_parquet {
        return Ok(Format::Parquet);
    }
    let binary = sign_of_binary(head, settings.csv.delimiter);
    if let (Some(known), true) = (foreign(head), settings.format.is_none() || binary.is_some()) {
        return Err(format!("it is {known}, not CSV, JSON or Parquet"));
    }
    let (first, extension) = (head.iter().find(|byte| !byte.is_ascii_whitespace()), extension(name));
    match (binary, settings.format, extension) {
        (None, Some(format), _) => return Ok(format),
        (Some(_), _, Some("parquet")) => return Err(NO_PARQUET.to_owned()),
        (Some(sign), ..) => return Err(format!("it is binary, and not Parquet: {sign}")),
        (None, None, _) => {}
    }
    match (first, extension) {
        (_, Some("csv" | "tsv" | "tab" | "psv")) => Ok(Format::Csv),
        (Some(b'{'), _) => Ok(Format::JsonLines),
        (Some(b'['), _) => Ok(Format::JsonArray),
        (_, Some("jsonl" | "ndjson" | "json")) => Ok(Format::JsonLines),
        (_, Some("parquet")) => Err(NO_PARQUET.to_owned()),
        _ => Ok(Format::Csv),
    }
}

const NO_PARQUET: &str = "it is named as Parquet and does not begin as Parquet does";

/// What shows that it is no text. A NUL or another control character in some rows of a text is a fault of these rows.
fn sign_of_binary(head: &[u8], delimiter: Option<Delimiter>) -> Option<&'static str> {
    let newline = if head.contains(&b'\n') { b'\n' } else { b'\r' };
    let text = head.trim_ascii_start();
    let first_row = match text {
        // All rows of JSON may stand in one line. UTF-16 that is not told as such shows here too.
        [b'{' | b'[', second, ..] => std::slice::from_ref(second),
        _ => text.split(|byte| *byte == newline).next().unwrap_or_default(),
    };
    if first_row.contains(&0) && delimiter != Some(Delimiter::Byte(0)) {
        return Some("there is a NUL in its first row");
    }
    // White space, and what switches the characters of some encodings, is in texts; NULs are where a disk lost something.
    let is_control = |byte: &&u8| {
        let is_of_text = matches!(byte, 0 | 0x09..=0x0d | 0x1b);
        **byte < 0x20 && !is_of_text && delimiter != Some(Delimiter::Byte(**byte))
    };
    let (mut controls, mut lines, mut strange_lines) = (0, 0, 0);
    for line in text.split(|byte| *byte == newline).filter(|line| !line.is_empty()) {
        let of_line = line.iter().filter(is_control).count();
        (controls, lines, strange_lines) = (controls + of_line, lines + 1, strange_lines + usize::from(of_line > 0));
    }
    let is_full = strange_lines * 2 > lines && controls * 20 > text.len();
    is_full.then_some("it is full of control characters")
}

/// `orders.CSV.gz` is `csv`.
fn extension(name: &str) -> Option<&'static str> {
    const KNOWN: [&str; 8] = ["csv", "tsv", "tab", "psv", "jsonl", "ndjson", "json", "parquet"];
    const COMPRESSED: [&str; 4] = ["gz", "gzip", "zst", "zstd"];
    let mut parts = name.rsplit('.');
    let mut last = parts.next()?;
    if COMPRESSED.iter().any(|known| last.eq_ignore_ascii_case(known)) {
        last = parts.next()?;
    }
    KNOWN.into_iter().find(|known| last.eq_ignore_ascii_case(known))
}

fn foreign(head: &[u8]) -> Option<&'static str> {
    match head {
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Some("a ZIP archive or an Excel workbook"),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => Some("an old Excel workbook"),
        [b'O', b'b', b'j', 1, ..] => Some("Avro"),
        [b'O', b'R', b'C', ..] => Some("ORC"),
        [0x89, b'P', b'N', b'G', ..] => Some("a PNG image"),
        [0xff, 0xd8, 0xff, ..] => Some("a JPEG image"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("a GIF image"),
        [b'%', b'P', b'D', b'F', ..] => Some("a PDF document"),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some("compressed with bzip2"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Some("compressed with xz"),
        [b'7', b'z', 0xbc, 0xaf, ..] => Some("a 7z archive"),
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("compressed twice"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_tell_the_format_and_the_name_helps() {
        for (name, head, expected) in [
            ("a.csv", "id,name\n", Ok(Format::Csv)),
            ("a.csv.gz", "{braces},b\n", Ok(Format::Csv)),
            ("a.json", " \n[ {}", Ok(Format::JsonArray)),
            ("a.json", "{\"type\"", Ok(Format::JsonLines)),
            ("a.txt", "{\"type\"", Ok(Format::JsonLines)),
            ("a.jsonl", "not json", Ok(Format::JsonLines)),
            ("cdnow", " 00004 0001", Ok(Format::Csv)),
            ("a.csv", "PAR1....", Ok(Format::Parquet)),
            ("a.parquet", "id,name", Err("it is named as Parquet and does not begin as Parquet does")),
            ("a.csv", "PK\u{3}\u{4}", Err("it is a ZIP archive or an Excel workbook, not CSV, JSON or Parquet")),
        ] {
            let told = detect(name, head.as_bytes(), &DropSettings::default());
            assert_eq!(told, expected.map_err(str::to_owned), "{name} {head}");
        }
    }

    /// A file that is damaged is still read; only one that never was text is not.
    #[test]
    fn what_is_binary_is_told_from_a_text_with_strange_rows() {
        let random = |bytes: usize, seed: u64| -> Vec<u8> {
            let next = |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed | 1));
            std::iter::successors(Some(seed), next).skip(8).take(bytes).map(|state| (state >> 33) as u8).collect()
        };
        let csv = |rows: &str| format!("id,a\nu1,1\nu2,2\nu3,3\nu4,4\n{rows}\nu6,6\n").into_bytes();
        let ctrl_a = "id\u{1}a\nu1\u{1}1\n";
        let lost = [b"id,a\nu1,1\n".as_slice(), &[0; 4000]].concat();
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let (nul, full) = (Err("there is a NUL in its first row"), Err("it is full of control characters"));
        for (head, settings, expected) in [
            (csv("\0\0\0\0\0"), "", Ok(Format::Csv)),
            (csv("u5,\u{1}\u{2}\u{3}\u{4}"), "", Ok(Format::Csv)),
            (lost.clone(), "", Ok(Format::Csv)),
            (b"id,a\n1,2\n\x1a".to_vec(), "", Ok(Format::Csv)),
            (b"{\"a\":1}\n\0\0\0\0\n{\"a\":\"\0\"}\n".to_vec(), "", Ok(Format::JsonLines)),
            (b"{\"a\":\"\0\"}\n".to_vec(), "", Ok(Format::JsonLines)),
            (b" [{\"a\":1},{\"a\":\"\0\0\0\"}]".to_vec(), "", Ok(Format::JsonArray)),
            (ctrl_a.into(), "csv.delimiter = \"\\u0001\"", Ok(Format::Csv)),
            (ctrl_a.into(), "", full),
            (b"a\0b".to_vec(), "", nul),
            (b"\n\nid,\0\n1,2\n".to_vec(), "format = 'csv'", nul),
            (lost, "format = 'json_lines'", Ok(Format::JsonLines)),
            (utf16("{\"a\":\"\0\"}"), "", nul),
            (utf16("ид,имя\n1,Иван\n"), "", nul),
            (utf16("идентификатор\nИван\n"), "", full),
            (b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\x06".to_vec(), "", Err("PNG")),
            (b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01".to_vec(), "", Err("JPEG")),
            (b"GIF89a\x01\0\x01\0".to_vec(), "format = 'csv'", Err("GIF")),
        ] {
            let settings: DropSettings = toml::from_str(settings).expect("settings");
            match (detect("a", &head, &settings), expected) {
                (Err(told), Err(part)) => assert!(told.contains(part), "{told}: {}", head.escape_ascii()),
                (told, expected) => {
                    assert_eq!(told, expected.map_err(str::to_owned), "{}", head.escape_ascii());
                }
            }
        }
        for seed in 1..200 {
            for bytes in [1000, 4096] {
                let told = detect("a.csv", &random(bytes, seed), &DropSettings::default());
                assert!(told.is_err(), "{bytes} bytes of {seed} are {told:?}");
            }
        }
    }

    #[test]
    fn compression_is_told_by_magic_bytes() {
        assert_eq!(Compression::of(&[0x1f, 0x8b, 8]), Compression::Gzip);
        assert_eq!(Compression::of(&[0x28, 0xb5, 0x2f, 0xfd]), Compression::Zstd);
        assert_eq!(Compression::of(b"id,name"), Compression::None);
    }
}
