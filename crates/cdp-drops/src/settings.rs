//! How the files of one drop folder are read: `[drops.SOURCE]` of the deployment's settings.
//!
//! ```toml
//! [drops.partner]
//! format = "csv"                # else told by content and name
//! encoding = "windows-1252"     # else UTF-8 or UTF-16 if it is that, else windows-1252 for CSV
//!
//! [drops.partner.csv]
//! delimiter = ";"               # else told by the first rows; "tab" and "whitespace" are names
//! columns = ["id", "day"]       # for files without a header row
//! ```

use encoding_rs::Encoding;
use serde::{Deserialize, Deserializer};
use xxhash_rust::xxh3::xxh3_64;

use crate::format::Format;
use crate::mapping::{Mapping, MappingError};
use crate::text::Assumed;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DropSettings {
    pub format: Option<Format>,
    /// A label of the WHATWG encoding standard.
    pub encoding: Option<String>,
    pub csv: CsvSettings,
    /// None is needed for rows of Segment-shaped JSON, nor for columns that are named as in the Segment spec.
    pub mapping: Option<Mapping>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CsvSettings {
    pub delimiter: Option<Delimiter>,
    /// The columns' names, in place of those of a header row.
    pub columns: Option<Vec<String>>,
    /// Whether the first row is a header, which it is when `columns` are not given.
    pub header: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delimiter {
    Byte(u8),
    /// Any run of spaces and tabs, as in text of fixed width. There are no quotes then, and no empty fields.
    Whitespace,
}

/// A setting that can't be right, by its key below `drops.SOURCE`.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{key}: {problem}; {remedy}")]
pub struct SettingsError {
    pub key: String,
    pub problem: String,
    pub remedy: String,
}

impl DropSettings {
    pub fn check(&self) -> Result<(), SettingsError> {
        if let Some(label) = &self.encoding
            && Encoding::for_label(label.as_bytes()).is_none()
        {
            return Err(SettingsError {
                key: "encoding".into(),
                problem: format!("there is no encoding {label:?}"),
                remedy: "use a label of the WHATWG encoding standard, such as utf-8, windows-1252 or utf-16le".into(),
            });
        }
        let Some(mapping) = &self.mapping else { return Ok(()) };
        mapping.check().map_err(|MappingError { key, problem, remedy }| SettingsError {
            key: format!("mapping.{key}"),
            problem,
            remedy,
        })
    }

    /// Differs where files may be read differently.
    pub(crate) fn fingerprint(&self) -> String {
        format!("{:016x}", xxh3_64(format!("{self:?}").as_bytes()))
    }

    pub(crate) fn assumed(&self, format: Format) -> Assumed {
        if let Some(encoding) = self.encoding.as_ref().and_then(|label| Encoding::for_label(label.as_bytes())) {
            return Assumed::Encoding(encoding);
        }
        match format {
            Format::Csv => Assumed::Utf8Or(Some(encoding_rs::WINDOWS_1252)),
            Format::JsonLines | Format::JsonArray | Format::Parquet => Assumed::Utf8Or(None),
        }
    }
}

impl CsvSettings {
    pub(crate) fn has_header(&self) -> bool {
        self.header.unwrap_or(self.columns.is_none())
    }
}

impl<'de> Deserialize<'de> for Delimiter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        match (name.as_str(), name.as_bytes()) {
            ("whitespace", _) => Ok(Self::Whitespace),
            ("tab", _) => Ok(Self::Byte(b'\t')),
            (_, [byte]) if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(Self::Byte(*byte)),
            _ => Err(serde::de::Error::custom(format!(
                "{name:?} is no delimiter: use one ASCII character, \"tab\" or \"whitespace\""
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_checked() {
        for (text, expected) in [
            ("", None),
            ("format = 'json_lines'\n[csv]\ndelimiter = 'tab'", None),
            ("encoding = 'latin1'", None),
            ("encoding = 'ebcdic'", Some("encoding: there is no encoding \"ebcdic\"; use a label")),
            ("[csv]\ndelimiter = ';;'", Some("\";;\" is no delimiter")),
            ("[csv]\nseparator = ';'", Some("unknown field `separator`")),
            (
                "[mapping]\nuser_id = 'id'\nevent = 'E'\ntraits = '*'\nproperties = '*'",
                Some("mapping.properties: `traits` takes all other columns too"),
            ),
        ] {
            let outcome = match toml::from_str::<DropSettings>(text) {
                Ok(settings) => settings.check().map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            match expected {
                None => assert_eq!(outcome, Ok(()), "{text}"),
                Some(part) => assert!(outcome.as_ref().is_err_and(|e| e.contains(part)), "{text}: {outcome:?}"),
            }
        }
    }
}
