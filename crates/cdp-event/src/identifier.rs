//! Identifiers: which ones an event names, each in its namespace, in the one form that they are compared in.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// `user_id`, `email`, `anonymous_id`, or a name that a deployment chose: lower case, at most 64 of `a-z 0-9 _ .`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Namespace(Name);

/// Each name in one form only. Identifiers are compared and hashed for each event, so the usual ones are mere numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Name {
    /// Its place in [`Namespace::KNOWN`].
    Known(u8),
    Chosen(Box<str>),
}

impl Namespace {
    pub const USER_ID: Self = Self(Name::Known(0));
    pub const EMAIL: Self = Self(Name::Known(1));
    pub const PHONE: Self = Self(Name::Known(2));
    pub const ANONYMOUS_ID: Self = Self(Name::Known(3));
    pub const IOS_ID: Self = Self(Name::Known(4));
    pub const IOS_IDFA: Self = Self(Name::Known(5));
    pub const IOS_PUSH_TOKEN: Self = Self(Name::Known(6));
    pub const ANDROID_ID: Self = Self(Name::Known(7));
    pub const ANDROID_IDFA: Self = Self(Name::Known(8));
    pub const ANDROID_PUSH_TOKEN: Self = Self(Name::Known(9));

    /// The names that the platform itself gives.
    pub const KNOWN: [&str; 10] = [
        "user_id",
        "email",
        "phone",
        "anonymous_id",
        "ios.id",
        "ios.idfa",
        "ios.push_token",
        "android.id",
        "android.idfa",
        "android.push_token",
    ];

    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Known(at) => Self::KNOWN[usize::from(*at)],
            Name::Chosen(name) => name,
        }
    }
}

/// By name.
impl Ord for Namespace {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialOrd for Namespace {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a namespace: {0:?} (1 to 64 of a-z, 0-9, `_` and `.`)")]
pub struct NotANamespace(String);

impl FromStr for Namespace {
    type Err = NotANamespace;

    fn from_str(name: &str) -> Result<Self, NotANamespace> {
        if let Some((at, _)) = (0..).zip(Self::KNOWN).find(|(_, known)| *known == name) {
            return Ok(Self(Name::Known(at)));
        }
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'.';
        if (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
            return Ok(Self(Name::Chosen(name.into())));
        }
        Err(NotANamespace(name.chars().take(80).collect()))
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
    fn known_namespaces_are_read_as_they_are_written() {
        for (namespace, name) in [
            (Namespace::USER_ID, "user_id"),
            (Namespace::EMAIL, "email"),
            (Namespace::PHONE, "phone"),
            (Namespace::ANONYMOUS_ID, "anonymous_id"),
            (Namespace::IOS_ID, "ios.id"),
            (Namespace::IOS_IDFA, "ios.idfa"),
            (Namespace::IOS_PUSH_TOKEN, "ios.push_token"),
            (Namespace::ANDROID_ID, "android.id"),
            (Namespace::ANDROID_IDFA, "android.idfa"),
            (Namespace::ANDROID_PUSH_TOKEN, "android.push_token"),
        ] {
            assert_eq!((namespace.as_str(), name.parse()), (name, Ok(namespace.clone())));
        }
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
