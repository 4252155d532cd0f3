//! The environment variables that `infra/` sets.

use std::collections::HashMap;

#[derive(Clone, Debug)]
pub struct Vars(HashMap<String, String>);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the environment variable {0} is not set; deploy the function by the stack, which sets it")]
pub struct Unset(&'static str);

impl Vars {
    pub fn of_this_process() -> Self {
        Self(std::env::vars().collect())
    }

    /// Set to nothing is not set.
    pub fn get(&self, name: &'static str) -> Result<&str, Unset> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty()).ok_or(Unset(name))
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Vars {
    fn from(vars: [(&str, &str); N]) -> Self {
        Self(vars.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_missing_or_empty_is_told_by_its_name() {
        let vars = Vars::from([("CDP_STREAM", "events"), ("CDP_LAKE", "")]);
        assert_eq!(vars.get("CDP_STREAM"), Ok("events"));
        for name in ["CDP_LAKE", "CDP_STATE_TABLE"] {
            assert!(vars.get(name).expect_err(name).to_string().contains(name));
        }
    }
}
