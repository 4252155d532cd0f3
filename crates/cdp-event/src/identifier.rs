//! Identifiers: which ones an event names, each in its namespace, in the one form that they are compared in.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// `user_id`, `email`, `anonymous_id`, or a name that a deployment chose: lower case, at most 64 of `a-z 0-9 _ .`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Namespace(Cow<'static, str>);

/// Identifiers are hashed for each event. Their values tell them apart; of the namespace, the length is enough.
impl Hash for Namespace {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.len().hash(state);
    }
}

impl Namespace {
    pub const USER_ID: Self = Self(Cow::Borrowed("user_id"));
    pub const EMAIL: Self = Self(Cow::Borrowed("email"));
    pub const PHONE: Self = Self(Cow::Borrowed("phone"));
    pub const ANONYMOUS_ID: Self = Self(Cow::Borrowed("anonymous_id"));
    pub const IOS_ID: Self = Self(Cow::Borrowed("ios.id"));
    pub const IOS_IDFA: Self = Self(Cow::Borrowed("ios.idfa"));
    pub const IOS_PUSH_TOKEN: Self = Self(Cow::Borrowed("ios.push_token"));
    pub const ANDROID_ID: Self = Self(Cow::Borrowed("android.id"));
    pub const ANDROID_IDFA: Self = Self(Cow::Borrowed("android.idfa"));
    pub const ANDROID_PUSH_TOKEN: Self = Self(Cow::Borrowed("android.push_token"));

    const KNOWN: [Self; 10] = [
        Self::USER_ID,
        Self::EMAIL,
        Self::PHONE,
        Self::ANONYMOUS_ID,
        Self::IOS_ID,
        Self::IOS_IDFA,
        Self::IOS_PUSH_TOKEN,
        Self::ANDROID_ID,
        Self::ANDROID_IDFA,
        Self::ANDROID_PUSH_TOKEN,
    ];

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a namespace: {0:?} (1 to 64 of a-z, 0-9, `_` and `.`)")]
pub struct NotANamespace(String);

impl FromStr for Namespace {
    type Err = NotANamespace;

    fn from_str(name: &str) -> Result<Self, NotANamespace> {
        if let Some(known) = Self::KNOWN.into_iter().find(|known| known.as_str() == name) {
            return Ok(known);
        }
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'.';
        if (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
            return Ok(Self(Cow::Owned(name.to_owned())));
        }
        Err(NotANamespace(name.chars().take(80).collect()))
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value in a namespace, in normal form: an email in lower case, everything without white space around it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identifier<'a> {
    pub namespace: Namespace,
    pub value: Cow<'a, str>,
}

/// The longest value, in bytes.
pub(crate) const MAX_VALUE_BYTES: usize = 500;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotAnIdentifier {
    #[error("it has {0} bytes")]
    TooLong(usize),
    #[error("it holds a control character")]
    ControlCharacter,
    #[error("it is empty")]
    Empty,
}

impl<'a> Identifier<'a> {
    pub fn new(namespace: Namespace, value: impl Into<Cow<'a, str>>) -> Result<Self, NotAnIdentifier> {
        let value = normal_form(&namespace, value.into());
        if value.is_empty() {
            return Err(NotAnIdentifier::Empty);
        }
        if value.len() > MAX_VALUE_BYTES {
            return Err(NotAnIdentifier::TooLong(value.len()));
        }
        if value.bytes().any(|b| b < 0x20 || b == 0x7f) {
            return Err(NotAnIdentifier::ControlCharacter);
        }
        Ok(Self { namespace, value })
    }

    pub fn into_owned(self) -> Identifier<'static> {
        Identifier { namespace: self.namespace, value: Cow::Owned(self.value.into_owned()) }
    }
}

impl fmt::Display for Identifier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.namespace, self.value)
    }
}

fn normal_form<'a>(namespace: &Namespace, value: Cow<'a, str>) -> Cow<'a, str> {
    let trimmed = match value {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    };
    if *namespace == Namespace::EMAIL && trimmed.chars().any(char::is_uppercase) {
        return Cow::Owned(trimmed.to_lowercase());
    }
    trimmed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_in_one_form() {
        let email = |value| Identifier::new(Namespace::EMAIL, value).map(|id| id.to_string());
        assert_eq!(email(" Jane@Example.COM "), Ok("email:jane@example.com".to_owned()));
        assert_eq!(email("  "), Err(NotAnIdentifier::Empty));
        assert_eq!(email("a\u{0}b"), Err(NotAnIdentifier::ControlCharacter));
    }

    #[test]
    fn namespaces_are_plain_words() {
        for (name, fine) in
            [("user_id", true), ("ios.id", true), ("crm9", true), ("", false), ("Crm", false), ("a b", false)]
        {
            assert_eq!(name.parse::<Namespace>().is_ok(), fine, "{name}");
        }
    }
}
