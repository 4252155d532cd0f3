//! The part of `cdp.toml` that says what may be joined.

use std::time::Duration;

use cdp_identity::{BadRules, Caps, Limit, NamespaceRule, Rules};
use serde::Deserialize;

use super::fault;
use crate::ConfigError;
use crate::error::{all, both};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentitySettings {
    /// In the order of priority.
    namespaces: Vec<NamespaceSettings>,
    /// For namespaces that are not named.
    others: LimitSettings,
    blocked_values: Vec<String>,
    blocked_patterns: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamespaceSettings {
    name: String,
    limit: usize,
    period_days: Option<u32>,
    #[serde(default)]
    unique: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitSettings {
    limit: usize,
    period_days: Option<u32>,
}

impl IdentitySettings {
    /// In the order of priority.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.namespaces.iter().map(|namespace| namespace.name.as_str())
    }

    pub fn rules(&self) -> Result<Rules, ConfigError> {
        let namespaces = all(self.namespaces.iter().map(namespace_rule));
        let others = limit("identity.others", self.others.limit, self.others.period_days);
        let (namespaces, others) = both(namespaces, others)?;
        let (values, patterns) = (self.blocked_values.clone(), self.blocked_patterns.clone());
        Rules::new(namespaces, others, values, patterns, Caps::default()).map_err(|error| match error {
            BadRules::Pattern(_) => {
                fault("identity.blocked_patterns", error.to_string(), "write regular expressions as in '^[0-]*$'")
            }
            BadRules::Twice(_) => fault("identity.namespaces", error.to_string(), "name it once"),
            BadRules::NoValues(_) => fault("identity.namespaces", error.to_string(), "raise the limit"),
        })
    }
}

fn namespace_rule(settings: &NamespaceSettings) -> Result<NamespaceRule, ConfigError> {
    let key = format!("identity.namespaces.{}", settings.name);
    let namespace = settings.name.parse().map_err(|error: cdp_event::NotANamespace| {
        fault(&key, error.to_string(), "use a name such as `email` or `crm_id`")
    })?;
    Ok(NamespaceRule { namespace, limit: limit(&key, settings.limit, settings.period_days)?, unique: settings.unique })
}

fn limit(key: &str, values: usize, period_days: Option<u32>) -> Result<Limit, ConfigError> {
    if values == 0 {
        return Err(fault(format!("{key}.limit"), "0 values".to_owned(), "allow at least 1, or block the values"));
    }
    if period_days == Some(0) {
        return Err(fault(format!("{key}.period_days"), "0 days".to_owned(), "use at least 1, or leave it out: ever"));
    }
    let period = period_days.map(|days| Duration::from_secs(u64::from(days) * 86_400));
    Ok(Limit { values, period })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Settings, TEMPLATE};

    #[test]
    fn a_new_deployment_has_the_default_rules() {
        let settings: Settings = toml::from_str(TEMPLATE).expect("the template is sound");
        let rules = settings.identity.rules().expect("sound rules");
        assert_eq!(rules.version(), Rules::default().version());
    }

    #[test]
    fn unsound_rules_are_told_by_key() {
        for (from, to, expected) in [
            ("limit = 1", "limit = 0", "cdp.toml: identity.namespaces.user_id.limit: 0 values; allow at least 1"),
            ("\"user_id\"", "\"User Id\"", "cdp.toml: identity.namespaces.User Id: not a namespace"),
            ("\"email\"", "\"user_id\"", "cdp.toml: identity.namespaces: "),
            ("'^[0-]*$'", "'['", "cdp.toml: identity.blocked_patterns: "),
        ] {
            let settings: Settings = toml::from_str(&TEMPLATE.replacen(from, to, 1)).expect("the syntax is fine");
            let error = settings.identity.rules().expect_err(to);
            assert!(error.to_string().starts_with(expected), "{error}");
        }
    }
}
