//! What a file is: told by its first bytes, then by its name, never by its name alone where the bytes say otherwise.

use std::io::{self, BufReader, Read};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Csv,
    JsonLines,
    JsonArray,
    Parquet,
}

impl Format {
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
pub(crate) fn detect(name: &str, head: &[u8]) -> Result<Format, String> {
    if head.starts_with(b"PAR1") {
        return Ok(Format::Parquet);
    }
    if let Some(known) = foreign(head) {
        return Err(format!("it is {known}, not CSV, JSON or Parquet"));
    }
    if is_binary(head) {
        return Err("it is binary, and not Parquet".to_owned());
    }
    let first = head.iter().find(|byte| !byte.is_ascii_whitespace());
    match (first, extension(name)) {
        (_, Some("csv" | "tsv" | "tab" | "psv")) => Ok(Format::Csv),
        (Some(b'{'), _) => Ok(Format::JsonLines),
        (Some(b'['), _) => Ok(Format::JsonArray),
        (_, Some("jsonl" | "ndjson" | "json")) => Ok(Format::JsonLines),
        (_, Some("parquet")) => Err("it is named as Parquet and does not begin as Parquet does".to_owned()),
        _ => Ok(Format::Csv),
    }
}

/// A stray NUL is a fault of one row, many are none of text.
fn is_binary(head: &[u8]) -> bool {
    memchr::memchr_iter(0, head).count() * 20 > head.len()
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
            ("a", "a\0b", Err("it is binary, and not Parquet")),
            ("a.csv", "id,name\nu1,Jo\0e\nu2,Jane\n", Ok(Format::Csv)),
        ] {
            assert_eq!(detect(name, head.as_bytes()), expected.map_err(str::to_owned), "{name} {head}");
        }
    }

    #[test]
    fn compression_is_told_by_magic_bytes() {
        assert_eq!(Compression::of(&[0x1f, 0x8b, 8]), Compression::Gzip);
        assert_eq!(Compression::of(&[0x28, 0xb5, 0x2f, 0xfd]), Compression::Zstd);
        assert_eq!(Compression::of(b"id,name"), Compression::None);
    }
}
