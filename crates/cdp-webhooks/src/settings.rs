//! How the calls of one webhook are signed, and what they mean: `[webhooks.NAME]` of the deployment's settings.
//!
//! ```toml
//! [webhooks.billing]
//! scheme = "stripe"                                   # or shopify, github, generic
//!
//! [webhooks.billing.mapping]                          # as of a drop source
//! identifiers = { stripe_customer = "data.object.customer" }
//! event = { column = "type" }
//! time = { column = "created", format = "epoch_s" }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cdp_drops::{Columns, Mapping, MappingError};
use serde::Deserialize;

use crate::payload::{DELIVERY, HEADERS, header_of};
use crate::signature::Signature;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    pub scheme: Scheme,
    /// Of the generic scheme; the others have theirs.
    pub signature: Option<SignatureSettings>,
    /// How far a signed time may be from ours, back and forth.
    pub tolerance_s: Option<u32>,
    /// Where in a payload its list of rows is, if it has one. A payload that is a list itself needs no path.
    pub rows: Option<String>,
    /// Where a payload says what kind it is, for `mappings`. All schemes but the generic one know.
    pub kind: Option<String>,
    /// Without any mapping, payloads are Segment-shaped.
    pub mapping: Option<Mapping>,
    /// Of kinds that differ from the others.
    #[serde(default)]
    pub mappings: BTreeMap<String, Mapping>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    Stripe,
    Shopify,
    Github,
    Generic,
}

/// Where a call's signature is, what it signs, and how it is written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureSettings {
    pub header: String,
    #[serde(default)]
    pub algorithm: Algorithm,
    #[serde(default)]
    pub encoding: Encoding,
    /// Stands before each signature: `sha256=`.
    #[serde(default)]
    pub prefix: String,
    /// Stands between the fields of a header that has several. White space, unless it is said.
    pub separator: Option<char>,
    /// What is signed. `{body}` is the body, `{timestamp}` the signed time, any other name in braces a header.
    #[serde(default = "body_alone")]
    pub signs: String,
    /// The header with the time of signing, in seconds since 1970.
    pub timestamp: Option<String>,
    /// What the time begins with, where it is a field of the signature's own header: `t=`.
    pub timestamp_field: Option<String>,
    /// How the key is written in secrets.toml.
    #[serde(default)]
    pub secret: SecretEncoding,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    Sha1,
    #[default]
    Sha256,
    Sha512,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    #[default]
    Hex,
    Base64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretEncoding {
    /// Its characters are the key.
    #[default]
    Text,
    Hex,
    Base64,
}

/// A setting that can't be right, by its key below `webhooks.NAME`.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{key}: {problem}; {remedy}")]
pub struct SettingsError {
    pub key: String,
    pub problem: String,
    pub remedy: String,
}

/// As Stripe's own libraries have it.
const USUAL_TOLERANCE_S: u32 = 300;
const MOST_TOLERANCE_S: u32 = 86_400;

impl Scheme {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Shopify => "shopify",
            Self::Github => "github",
            Self::Generic => "generic",
        }
    }

    fn signature(self) -> Option<SignatureSettings> {
        match self {
            Self::Stripe => Some(SignatureSettings {
                prefix: "v1=".to_owned(),
                separator: Some(','),
                signs: "{timestamp}.{body}".to_owned(),
                timestamp_field: Some("t=".to_owned()),
                ..SignatureSettings::of_header("stripe-signature")
            }),
            Self::Shopify => Some(SignatureSettings {
                encoding: Encoding::Base64,
                ..SignatureSettings::of_header("x-shopify-hmac-sha256")
            }),
            Self::Github => Some(SignatureSettings {
                prefix: "sha256=".to_owned(),
                ..SignatureSettings::of_header("x-hub-signature-256")
            }),
            Self::Generic => None,
        }
    }

    /// Where a payload says what kind it is.
    fn kind(self) -> Option<&'static str> {
        match self {
            Self::Stripe => Some("type"),
            Self::Shopify => Some("@headers.x-shopify-topic"),
            Self::Github => Some("@headers.x-github-event"),
            Self::Generic => None,
        }
    }
}

impl SignatureSettings {
    /// The body's, in hex, by SHA-256.
    fn of_header(header: &str) -> Self {
        Self {
            header: header.to_owned(),
            algorithm: Algorithm::default(),
            encoding: Encoding::default(),
            prefix: String::new(),
            separator: None,
            signs: body_alone(),
            timestamp: None,
            timestamp_field: None,
            secret: SecretEncoding::default(),
        }
    }

    pub(crate) const fn has_time(&self) -> bool {
        self.timestamp.is_some() || self.timestamp_field.is_some()
    }
}

impl WebhookSettings {
    pub fn check(&self) -> Result<(), SettingsError> {
        let signature = self.signature()?;
        Signature::compile(&signature)
            .map_err(|(key, problem, remedy)| fault(&format!("signature.{key}"), problem, remedy))?;
        self.check_tolerance(&signature)?;
        self.check_mappings()
    }

    /// The scheme's own, or the one that is set.
    pub(crate) fn signature(&self) -> Result<SignatureSettings, SettingsError> {
        match (self.scheme.signature(), &self.signature) {
            (Some(own), None) => Ok(own),
            (None, Some(set)) => Ok(set.clone()),
            (Some(_), Some(_)) => {
                let problem = format!("{} has a signature of its own", self.scheme.as_str());
                Err(fault("signature", problem, "leave it out, or set scheme = \"generic\""))
            }
            (None, None) => {
                let remedy = "say in which header a call's signature is: signature = { header = \"X-Signature\" }";
                Err(fault("signature", "it is missing".to_owned(), remedy))
            }
        }
    }

    pub(crate) fn tolerance(&self) -> Duration {
        Duration::from_secs(self.tolerance_s.unwrap_or(USUAL_TOLERANCE_S).into())
    }

    pub(crate) fn kind(&self) -> Option<&str> {
        self.kind.as_deref().or(self.scheme.kind())
    }

    /// Headers that a mapping or `kind` names: rows carry them, and no others.
    pub(crate) fn named_headers(&self) -> BTreeSet<String> {
        let columns = self.all_mappings().flat_map(|(_, mapping)| mapping.named_columns().map(|(_, column)| column));
        columns.chain(self.kind()).filter_map(header_of).map(str::to_owned).collect()
    }

    fn check_tolerance(&self, signature: &SignatureSettings) -> Result<(), SettingsError> {
        match self.tolerance_s {
            Some(_) if !signature.has_time() => {
                let remedy = "leave it out, or say where the signed time is";
                Err(fault("tolerance_s", "calls are signed without a time".to_owned(), remedy))
            }
            Some(seconds) if !(1..=MOST_TOLERANCE_S).contains(&seconds) => {
                Err(fault("tolerance_s", format!("{seconds} s"), "use 1 to 86400"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn check_mappings(&self) -> Result<(), SettingsError> {
        let has_none = self.mapping.is_none() && self.mappings.is_empty();
        if has_none && self.scheme != Scheme::Generic {
            let problem = format!("it is missing, and calls of {} are no events yet", self.scheme.as_str());
            return Err(fault("mapping", problem, "say what payloads mean; docs/webhooks.md has examples"));
        }
        if !self.mappings.is_empty() && self.kind().is_none() {
            let remedy = "name the field, or the header as \"@headers.x-topic\"";
            return Err(fault("kind", "nothing says which of `mappings` a payload is for".to_owned(), remedy));
        }
        for (key, path) in [("rows", self.rows.as_deref()), ("kind", self.kind.as_deref())] {
            path.map_or(Ok(()), |path| check_path(key, path))?;
        }
        for (at, mapping) in self.all_mappings() {
            mapping.check().map_err(|MappingError { key, problem, remedy }| SettingsError {
                key: format!("{at}.{key}"),
                problem,
                remedy,
            })?;
            mapping.named_columns().try_for_each(|(key, path)| check_path(&format!("{at}.{key}"), path))?;
        }
        Ok(())
    }

    /// By their keys below the webhook.
    fn all_mappings(&self) -> impl Iterator<Item = (String, &Mapping)> {
        let own = self.mapping.iter().map(|mapping| ("mapping".to_owned(), mapping));
        own.chain(self.mappings.iter().map(|(kind, mapping)| (format!("mappings.{kind:?}"), mapping)))
    }
}

/// What the platform puts beside a payload is no property of it; and a delivery names its message, unless columns do.
pub(crate) fn completed(mapping: &Mapping) -> Mapping {
    let mut mapping = mapping.clone();
    mapping.skip.extend([DELIVERY, HEADERS].map(str::to_owned));
    if mapping.message_id == Columns::default() {
        mapping.message_id = Columns::Listed(vec![DELIVERY.to_owned()]);
    }
    mapping
}

fn check_path(key: &str, path: &str) -> Result<(), SettingsError> {
    if path.is_empty() {
        return Err(fault(key, "it is empty".to_owned(), "name a field of the payload, such as data.object.customer"));
    }
    if !path.starts_with('@') || path == DELIVERY {
        return Ok(());
    }
    match header_of(path) {
        Some(name) if is_header(name) && !name.bytes().any(|b| b.is_ascii_uppercase()) => Ok(()),
        Some(_) | None => {
            let remedy = "use @headers. and the header's name in small letters, or @delivery";
            Err(fault(key, format!("{path:?} is not beside a payload"), remedy))
        }
    }
}

pub(crate) fn is_header(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

fn body_alone() -> String {
    "{body}".to_owned()
}

fn fault(key: &str, problem: String, remedy: &str) -> SettingsError {
    SettingsError { key: key.to_owned(), problem, remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPPED: &str = "[mapping]\nuser_id = 'id'\n";

    #[test]
    fn the_example_of_the_documentation_is_sound() {
        let example: String = include_str!("settings.rs")
            .lines()
            .skip_while(|line| *line != "//! ```toml")
            .skip(1)
            .take_while(|line| *line != "//! ```")
            .map(|line| format!("{}\n", line.trim_start_matches("//! ").trim_start_matches("//!")))
            .collect();
        let document: toml::Table = example.parse().expect("TOML");
        let settings: WebhookSettings = document["webhooks"]["billing"].clone().try_into().expect("settings");
        assert_eq!(settings.check(), Ok(()));
        assert_eq!(settings.tolerance(), Duration::from_secs(300));
    }

    #[test]
    fn settings_are_read_and_checked() {
        let generic = |signature: &str| format!("scheme = 'generic'\nsignature = {{ header = 'X-Sign'{signature} }}\n");
        for (text, expected) in [
            (format!("scheme = 'github'\n{MAPPED}"), None),
            (generic(""), None),
            (generic(", algorithm = 'sha512', encoding = 'base64', secret = 'base64', prefix = 'v1,'"), None),
            (generic(", timestamp = 'X-Time', signs = 'v0:{timestamp}:{x-id}:{body}'"), None),
            (generic(", separator = ';', timestamp_field = 'ts=', signs = '{timestamp}:{body}'"), None),
            ("scheme = 'paypal'".into(), Some("unknown variant `paypal`")),
            ("scheme = 'stripe'\nsecret = 'x'".into(), Some("unknown field `secret`")),
            ("scheme = 'stripe'".into(), Some("mapping: it is missing, and calls of stripe are no events yet; say")),
            ("scheme = 'generic'".into(), Some("signature: it is missing; say in which header")),
            (
                format!("scheme = 'stripe'\nsignature = {{ header = 'X' }}\n{MAPPED}"),
                Some("signature: stripe has a signature of its own; leave it out"),
            ),
            (
                format!("scheme = 'github'\ntolerance_s = 60\n{MAPPED}"),
                Some("tolerance_s: calls are signed without a time"),
            ),
            (format!("scheme = 'stripe'\ntolerance_s = 0\n{MAPPED}"), Some("tolerance_s: 0 s; use 1 to 86400")),
            (generic(", algorithm = 'md5'"), Some("unknown variant `md5`")),
            (generic(", signs = 'body'"), Some("signature.signs: \"body\" does not sign the body")),
            (generic(", signs = '{body'"), Some("signature.signs: \"{body\" has a brace without its other half")),
            (generic(", signs = '{timestamp}{body}'"), Some("signature.timestamp: nothing says where the time is")),
            (generic(", timestamp = 'X-Time'"), Some("signature.signs: the time is not signed")),
            (
                generic(", timestamp = 'T', timestamp_field = 't=', signs = '{timestamp}{body}'"),
                Some("signature.timestamp_field: the time is in a header of its own"),
            ),
            (
                generic(", timestamp = 'X Time', signs = '{timestamp}{body}'"),
                Some("signature.timestamp: \"X Time\" is no"),
            ),
            (generic(", signs = '{x id}{body}'"), Some("signature.signs: \"x id\" is no header's name")),
            ("scheme = 'stripe'\n[mapping]\nevent = 'E'".into(), Some("mapping.user_id: no column says whose row")),
            (
                "scheme = 'github'\n[mappings.push]\nuser_id = '@headers.X-Id'".into(),
                Some("mappings.\"push\".user_id: \"@headers.X-Id\" is not beside a payload; use @headers."),
            ),
            (
                format!("{}[mappings.push]\nuser_id = 'id'", generic("")),
                Some("kind: nothing says which of `mappings` a payload is for"),
            ),
            (format!("scheme = 'github'\nrows = ''\n{MAPPED}"), Some("rows: it is empty")),
        ] {
            let outcome = match toml::from_str::<WebhookSettings>(&text) {
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
