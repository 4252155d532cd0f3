//! `secrets.toml`: who may send, and who may ask.

use std::collections::BTreeMap;
use std::path::Path;

use cdp_api::Secret;
use cdp_api::profiles::Scope;
use serde::Deserialize;

use super::{DeploymentError, SECRETS_FILE, Settings, parse};

#[derive(Debug)]
pub struct Secrets {
    /// By API source.
    pub write_keys: BTreeMap<String, Secret>,
    pub api_tokens: Vec<ApiToken>,
    /// For the Kinesis API: secret access keys by access key id.
    pub access_keys: BTreeMap<String, Secret>,
}

#[derive(Clone, Debug)]
pub struct ApiToken {
    pub name: String,
    pub token: Secret,
    pub scopes: Vec<Scope>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretsFile {
    #[serde(default)]
    write_keys: BTreeMap<String, String>,
    #[serde(default)]
    api_tokens: BTreeMap<String, TokenFile>,
    #[serde(default)]
    access_keys: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenFile {
    token: String,
    scopes: Vec<String>,
}

impl Secrets {
    pub(super) fn read(path: &Path) -> Result<Self, DeploymentError> {
        refuse_if_open(path)?;
        let SecretsFile { write_keys, api_tokens, access_keys } = parse(path)?;
        let mut tokens = Vec::with_capacity(api_tokens.len());
        for (name, TokenFile { token, scopes }) in api_tokens {
            let scopes =
                scopes.iter().map(|scope| scope.parse()).collect::<Result<Vec<Scope>, _>>().map_err(|error| {
                    let remedy = format!("use {}", Scope::ALL.map(Scope::as_str).join(", "));
                    fault(format!("api_tokens.{name}.scopes"), error.to_string(), remedy)
                })?;
            if token.len() < 16 {
                let remedy = "use at least 16 characters, such as those of `openssl rand -hex 24`".to_owned();
                return Err(fault(format!("api_tokens.{name}.token"), "too short to be a secret".to_owned(), remedy));
            }
            tokens.push(ApiToken { name, token: Secret::new(token), scopes });
        }
        let hidden = |texts: BTreeMap<String, String>| texts.into_iter().map(|(k, v)| (k, Secret::new(v))).collect();
        Ok(Self { write_keys: hidden(write_keys), api_tokens: tokens, access_keys: hidden(access_keys) })
    }

    /// Each API source has its key, and no key is left over.
    pub(super) fn match_sources(&self, settings: &Settings) -> Result<(), DeploymentError> {
        if let Some(name) = settings.api.keys().find(|name| !self.write_keys.contains_key(*name)) {
            let problem = "it is missing".to_owned();
            return Err(fault(
                format!("write_keys.{name}"),
                problem,
                format!("[api.{name}] in cdp.toml needs a write key"),
            ));
        }
        if let Some(name) = self.write_keys.keys().find(|name| !settings.api.contains_key(*name)) {
            let problem = "no such source".to_owned();
            let remedy = format!("add [api.{name}] to cdp.toml, or remove the key");
            return Err(fault(format!("write_keys.{name}"), problem, remedy));
        }
        Ok(())
    }

    /// The token that `cdp` itself uses towards a running `cdp up`.
    pub fn admin_token(&self) -> Option<&Secret> {
        self.api_tokens.iter().find(|token| token.scopes.contains(&Scope::Admin)).map(|token| &token.token)
    }

    /// Compared in full, so that the time it takes tells nothing of the token.
    pub fn is_admin(&self, shown: &str) -> bool {
        let same = |token: &str| {
            let differing = token.bytes().zip(shown.bytes()).fold(0, |seen, (a, b)| seen | (a ^ b));
            differing == 0 && token.len() == shown.len()
        };
        let admins = self.api_tokens.iter().filter(|token| token.scopes.contains(&Scope::Admin));
        admins.fold(false, |found, token| found | same(token.token.expose()))
    }
}

fn fault(key: String, problem: String, remedy: String) -> DeploymentError {
    DeploymentError::Setting { file: SECRETS_FILE, key, problem, remedy }
}

fn refuse_if_open(path: &Path) -> Result<(), DeploymentError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::metadata(path).map_err(|source| DeploymentError::Io { path: path.to_owned(), source })?;
    let others_may_read = metadata.permissions().mode() & 0o077 != 0;
    if others_may_read { Err(DeploymentError::OpenSecrets(path.to_owned())) } else { Ok(()) }
}
