//! Rules: what may be joined. Defaults are those that Segment publishes for Unify (user_id 1, all others 5; zeros and
//! dashes, `-1`, `null` and `anonymous` blocked), and a list of placeholders that sites are known to send.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use cdp_event::{Identifier, Namespace};
use regex::RegexSet;
use xxhash_rust::xxh3::xxh3_64;

/// How many values of a namespace one person may have: ever, or claimed within a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub values: usize,
    pub period: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceRule {
    pub namespace: Namespace,
    pub limit: Limit,
    /// Two values of it are two people, whatever else is said, an alias included.
    pub unique: bool,
}

/// Bounds on one person, so that an item and a transaction stay small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    pub merges: usize,
    pub identifiers: usize,
    /// How many user ids aliases may join to one person.
    pub aliases: usize,
    /// Of all that is kept of who the person is.
    pub bytes: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { merges: 100, identifiers: 1000, aliases: 10, bytes: 128 << 10 }
    }
}

/// Names a set of rules by its content.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RulesVersion(String);

impl RulesVersion {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RulesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum BadRules {
    #[error("{0}")]
    Pattern(#[from] regex::Error),
    #[error("`{0}` is named twice")]
    Twice(Namespace),
    #[error("{0}: a limit is at least 1")]
    NoValues(Namespace),
}

#[derive(Clone, Debug)]
pub struct Rules {
    /// In the order of priority. Namespaces that are not named come after them, in alphabetical order.
    namespaces: Vec<NamespaceRule>,
    others: Limit,
    /// In lower case.
    blocked_values: HashSet<String>,
    blocked_patterns: RegexSet,
    pub caps: Caps,
    version: RulesVersion,
}

const EVER_5: Limit = Limit { values: 5, period: None };

const BLOCKED_VALUES: [&str; 20] = [
    "-1",
    "null",
    "anonymous",
    "undefined",
    "none",
    "nil",
    "nan",
    "n/a",
    "na",
    "guest",
    "unknown",
    "test",
    "true",
    "false",
    "[object object]",
    "noreply@example.com",
    "test@example.com",
    "test@test.com",
    "unknown@unknown.com",
    "user@example.com",
];

const BLOCKED_PATTERNS: [&str; 2] = ["^[0-]*$", r"^\+?1?0+$"];

/// `user_id` first, `email` next, as Segment has it; the rest follow in alphabetical order.
pub fn default_namespaces() -> Vec<NamespaceRule> {
    let rule = |namespace, values| NamespaceRule { namespace, limit: Limit { values, period: None }, unique: false };
    vec![rule(Namespace::USER_ID, 1), rule(Namespace::EMAIL, 5)]
}

impl Default for Rules {
    #[expect(clippy::unreachable, reason = "the defaults are constants")]
    fn default() -> Self {
        let blocked = BLOCKED_VALUES.map(str::to_owned).into();
        let patterns = BLOCKED_PATTERNS.map(str::to_owned).into();
        match Self::new(default_namespaces(), EVER_5, blocked, patterns, Caps::default()) {
            Ok(rules) => rules,
            Err(error) => unreachable!("the default rules are sound: {error}"),
        }
    }
}

impl Rules {
    pub fn new(
        namespaces: Vec<NamespaceRule>,
        others: Limit,
        blocked_values: Vec<String>,
        blocked_patterns: Vec<String>,
        caps: Caps,
    ) -> Result<Self, BadRules> {
        for (at, rule) in namespaces.iter().enumerate() {
            if namespaces[..at].iter().any(|earlier| earlier.namespace == rule.namespace) {
                return Err(BadRules::Twice(rule.namespace.clone()));
            }
            if rule.limit.values == 0 {
                return Err(BadRules::NoValues(rule.namespace.clone()));
            }
        }
        let mut blocked_values: Vec<String> = blocked_values.iter().map(|value| value.to_lowercase()).collect();
        blocked_values.sort();
        let text = format!("{namespaces:?} {others:?} {blocked_values:?} {blocked_patterns:?} {caps:?}");
        Ok(Self {
            version: RulesVersion(format!("rules_{:016x}", xxh3_64(text.as_bytes()))),
            blocked_patterns: RegexSet::new(&blocked_patterns)?,
            blocked_values: blocked_values.into_iter().collect(),
            namespaces,
            others,
            caps,
        })
    }

    /// The default rules, with other namespaces.
    pub fn with_namespaces(namespaces: Vec<NamespaceRule>) -> Result<Self, BadRules> {
        let blocked = BLOCKED_VALUES.map(str::to_owned).into();
        let patterns = BLOCKED_PATTERNS.map(str::to_owned).into();
        Self::new(namespaces, EVER_5, blocked, patterns, Caps::default())
    }

    pub fn version(&self) -> &RulesVersion {
        &self.version
    }

    /// Such a value never joins anybody. It stays in the event.
    pub fn is_blocked(&self, identifier: &Identifier<'_>) -> bool {
        let value: &str = &identifier.value;
        let listed = if value.bytes().any(|b| b.is_ascii_uppercase()) {
            self.blocked_values.contains(&value.to_ascii_lowercase())
        } else {
            self.blocked_values.contains(value)
        };
        listed || self.blocked_patterns.is_match(value)
    }

    /// Smaller comes first.
    pub fn priority<'n>(&self, namespace: &'n Namespace) -> (usize, &'n str) {
        let place = self.namespaces.iter().position(|rule| rule.namespace == *namespace);
        place.map_or((self.namespaces.len(), namespace.as_str()), |place| (place, ""))
    }

    /// How many values of the namespace a person may have, but for user ids that aliases add.
    pub fn limit(&self, namespace: &Namespace) -> Limit {
        self.rule(namespace).map_or(self.others, |rule| rule.limit)
    }

    pub(crate) fn is_unique(&self, namespace: &Namespace) -> bool {
        self.rule(namespace).is_some_and(|rule| rule.unique)
    }

    fn rule(&self, namespace: &Namespace) -> Option<&NamespaceRule> {
        self.namespaces.iter().find(|rule| rule.namespace == *namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_blocked_and_people_are_not() {
        let rules = Rules::default();
        for (value, blocked) in [
            ("00000000-0000-0000-0000-000000000000", true),
            ("-1", true),
            ("NULL", true),
            ("Undefined", true),
            ("+10000000000", true),
            ("+12000000013", false),
            ("u_1", false),
            ("jane@example.com", false),
        ] {
            let id = Identifier::new(Namespace::USER_ID, value).expect("a plain value");
            assert_eq!(rules.is_blocked(&id), blocked, "{value}");
        }
    }

    #[test]
    fn a_change_of_rules_changes_their_version() {
        let other = Rules::with_namespaces(vec![]).expect("sound rules");
        assert_ne!(Rules::default().version(), other.version());
        assert_eq!(Rules::default().version(), Rules::default().version());
    }

    #[test]
    fn unsound_rules_are_refused_by_name() {
        let rule = |values| NamespaceRule {
            namespace: Namespace::EMAIL,
            limit: Limit { values, period: None },
            unique: false,
        };
        let twice = Rules::with_namespaces(vec![rule(1), rule(2)]).expect_err("named twice");
        assert_eq!(twice.to_string(), "`email` is named twice");
        assert!(Rules::with_namespaces(vec![rule(0)]).is_err());
    }
}
