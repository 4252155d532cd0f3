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

use std::fmt;
use std::str::FromStr;

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
    /// Public keys, as in `authorized_keys`, that may send files by SFTP. On AWS only; it tells nothing of how files are read.
    pub sftp_keys: Vec<String>,
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
        if let Some((at, key)) = self.sftp_keys.iter().enumerate().find(|(_, key)| !is_public_key(key)) {
            return Err(SettingsError {
                key: format!("sftp_keys.{at}"),
                problem: format!("{:?} is no public key", key.chars().take(40).collect::<String>()),
                remedy: "use the line of a .pub file that ssh-keygen wrote: \"ssh-ed25519 AAAA…\", or of RSA or ECDSA"
                    .into(),
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
        let reading = Self { sftp_keys: vec![], ..self.clone() };
        format!("{:016x}", xxh3_64(format!("{reading:?}").as_bytes()))
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

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no delimiter: use one ASCII character, \"tab\" or \"whitespace\"")]
pub struct NotADelimiter(String);

impl FromStr for Delimiter {
    type Err = NotADelimiter;

    fn from_str(name: &str) -> Result<Self, NotADelimiter> {
        match (name, name.as_bytes()) {
            ("whitespace", _) => Ok(Self::Whitespace),
            ("tab", _) => Ok(Self::Byte(b'\t')),
            (_, [byte]) if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(Self::Byte(*byte)),
            _ => Err(NotADelimiter(name.to_owned())),
        }
    }
}

impl fmt::Display for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whitespace => f.write_str("whitespace"),
            Self::Byte(b'\t') => f.write_str("tab"),
            Self::Byte(byte) => write!(f, "{}", char::from(*byte)),
        }
    }
}

impl<'de> Deserialize<'de> for Delimiter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What AWS's SFTP takes: `TYPE BASE64 COMMENT`. The first bytes of the key are the length of its type's name.
fn is_public_key(line: &str) -> bool {
    const TYPES: [&str; 5] =
        ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"];
    let mut words = line.split(' ');
    let is_type = words.next().is_some_and(|name| TYPES.contains(&name));
    let is_base64 = |key: &str| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
    is_type && words.next().is_some_and(|key| key.starts_with("AAAA") && is_base64(key)) && !line.contains(['\n', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_changes_nothing_of_how_files_are_read() {
        let with_key = DropSettings { sftp_keys: vec!["ssh-rsa AAAA".to_owned()], ..DropSettings::default() };
        assert_eq!(with_key.fingerprint(), DropSettings::default().fingerprint());
    }

    #[test]
    fn settings_are_read_and_checked() {
        for (text, expected) in [
            ("", None),
            ("format = 'json_lines'\n[csv]\ndelimiter = 'tab'", None),
            ("encoding = 'latin1'", None),
            ("encoding = 'ebcdic'", Some("encoding: there is no encoding \"ebcdic\"; use a label")),
            ("[csv]\ndelimiter = ';;'", Some("\";;\" is no delimiter")),
            ("[csv]\nseparator = ';'", Some("unknown field `separator`")),
            ("sftp_keys = ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9 ops@partner', 'ssh-rsa AAAAB3NzaC1yc2E+/=']", None),
            (
                "sftp_keys = ['ssh-rsa AAAAB3', 'ssh-dss AAAAB3']",
                Some("sftp_keys.1: \"ssh-dss AAAAB3\" is no public key; use the line"),
            ),
            ("sftp_keys = ['-----BEGIN OPENSSH PRIVATE KEY-----']", Some("is no public key")),
            ("sftp_keys = ['ssh-ed25519']", Some("is no public key")),
            ("sftp_keys = [\"ssh-ed25519 AAAA\\nssh-rsa AAAA\"]", Some("is no public key")),
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
