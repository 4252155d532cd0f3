//! `secrets.toml`: who may send, and who may ask.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;

use cdp_api::Secret;
use cdp_api::profiles::Scope;
use serde::Deserialize;

use crate::error::{Faults, all, both};
use crate::{ConfigError, SECRETS_FILE, Settings, parse, read_text};

const MIN_TOKEN_CHARS: usize = 16;
/// Of a token that names none. No person's page asks as often, and one caller's loop leaves State to the others.
pub const USUAL_REQUESTS_PER_SECOND: NonZeroU32 = NonZeroU32::new(1000).unwrap();
const MOST_REQUESTS_PER_SECOND: u32 = 1_000_000;

#[derive(Debug)]
pub struct Secrets {
    /// By API source.
    pub write_keys: BTreeMap<String, Secret>,
    pub api_tokens: Vec<ApiToken>,
    /// For the Kinesis API: secret access keys by access key id.
    pub access_keys: BTreeMap<String, Secret>,
    /// By webhook: what its sender signs with. Two, while one is being renewed.
    pub webhooks: BTreeMap<String, Vec<Secret>>,
}

#[derive(Clone, Debug)]
pub struct ApiToken {
    pub name: String,
    pub token: Secret,
    pub scopes: Vec<Scope>,
    /// A caller that asks for profiles faster is told to wait.
    pub requests_per_second: NonZeroU32,
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
    #[serde(default)]
    webhooks: BTreeMap<String, toml::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenFile {
    token: String,
    scopes: Vec<String>,
    requests_per_second: Option<u32>,
}

impl Secrets {
    /// A file that others may read is no secret, and is refused.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        refuse_if_open(path)?;
        Self::parse(&read_text(path)?)
    }

    /// `text`: of a `secrets.toml`, wherever it is kept.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let SecretsFile { write_keys, api_tokens, access_keys, webhooks } = parse(SECRETS_FILE, text)?;
        let write_keys = all(write_keys.into_iter().map(write_key));
        let api_tokens = all(api_tokens.into_iter().map(|(name, file)| ApiToken::read(name, file)));
        let webhooks = all(webhooks.into_iter().map(signing_secrets));
        let ((write_keys, api_tokens), webhooks) = both(both(write_keys, api_tokens), webhooks)?;
        let access_keys = access_keys.into_iter().map(|(id, secret)| (id, Secret::new(secret))).collect();
        let (write_keys, webhooks) = (write_keys.into_iter().collect(), webhooks.into_iter().collect());
        Ok(Self { write_keys, api_tokens, access_keys, webhooks })
    }

    /// Each API source has its key, each webhook its secret, and none is left over.
    pub(crate) fn match_sources(&self, settings: &Settings) -> Result<(), ConfigError> {
        let mut faults = Faults::default();
        for name in settings.webhooks.keys().filter(|name| !self.webhooks.contains_key(*name)) {
            let remedy = format!("[webhooks.{name}] in cdp.toml needs the secret that its sender signs with");
            faults.push(fault(format!("webhooks.{name}"), "it is missing".to_owned(), remedy));
        }
        for name in self.webhooks.keys().filter(|name| !settings.webhooks.contains_key(*name)) {
            let remedy = format!("add [webhooks.{name}] to cdp.toml, or remove the secret");
            faults.push(fault(format!("webhooks.{name}"), "no such webhook".to_owned(), remedy));
        }
        for name in settings.api.keys().filter(|name| !self.write_keys.contains_key(*name)) {
            let remedy = format!("[api.{name}] in cdp.toml needs a write key");
            faults.push(fault(format!("write_keys.{name}"), "it is missing".to_owned(), remedy));
        }
        for name in self.write_keys.keys().filter(|name| !settings.api.contains_key(*name)) {
            let remedy = format!("add [api.{name}] to cdp.toml, or remove the key");
            faults.push(fault(format!("write_keys.{name}"), "no such source".to_owned(), remedy));
        }
        faults.end()
    }

    /// The token that `cdp` itself uses towards a running `cdp up`.
    pub fn admin_token(&self) -> Option<&Secret> {
        self.api_tokens.iter().find(|token| token.scopes.contains(&Scope::Admin)).map(|token| &token.token)
    }

    /// Whose token it is. Compared in full, so that the time it takes tells nothing of the token.
    pub fn token(&self, shown: &str) -> Option<&ApiToken> {
        let is_shown = |token: &&ApiToken| {
            let token = token.token.expose();
            let differing = token.bytes().zip(shown.bytes()).fold(0, |seen, (a, b)| seen | (a ^ b));
            differing == 0 && token.len() == shown.len()
        };
        self.api_tokens.iter().filter(is_shown).fold(None, |found, token| found.or(Some(token)))
    }
}

impl ApiToken {
    fn read(name: String, file: TokenFile) -> Result<Self, ConfigError> {
        let key = |field: &str| format!("api_tokens.{name}.{field}");
        let TokenFile { token, scopes, requests_per_second } = file;
        let of_scopes = |problem: String| {
            fault(key("scopes"), problem, format!("use {}", Scope::ALL.map(Scope::as_str).join(", ")))
        };
        let known = |name: &String| name.parse().map_err(|_| of_scopes(format!("there is no scope {name:?}")));
        let scopes = scopes.iter().map(known).collect::<Result<Vec<Scope>, _>>()?;
        if scopes.is_empty() {
            return Err(of_scopes("a token without a scope opens nothing".to_owned()));
        }
        if token.len() < MIN_TOKEN_CHARS {
            return Err(too_short(key("token")));
        }
        let rate = requests_per_second.unwrap_or(USUAL_REQUESTS_PER_SECOND.get());
        let requests_per_second = NonZeroU32::new(rate).filter(|rate| rate.get() <= MOST_REQUESTS_PER_SECOND);
        let requests_per_second = requests_per_second.ok_or_else(|| {
            let remedy = format!("use 1 to {MOST_REQUESTS_PER_SECOND}; remove the token to shut somebody out");
            fault(key("requests_per_second"), format!("{rate} is no rate"), remedy)
        })?;
        Ok(Self { name, token: Secret::new(token), scopes, requests_per_second })
    }
}

/// Whoever guesses it sends in the source's name.
fn write_key((name, key): (String, String)) -> Result<(String, Secret), ConfigError> {
    if key.len() < MIN_TOKEN_CHARS {
        return Err(too_short(format!("write_keys.{name}")));
    }
    Ok((name, Secret::new(key)))
}

fn too_short(key: String) -> ConfigError {
    let remedy = format!("use at least {MIN_TOKEN_CHARS} characters, such as those of `openssl rand -hex 24`");
    fault(key, "too short to be a secret".to_owned(), remedy)
}

/// One secret, or two.
fn signing_secrets((name, value): (String, toml::Value)) -> Result<(String, Vec<Secret>), ConfigError> {
    let texts = match value {
        toml::Value::String(text) => vec![text],
        toml::Value::Array(list) if (1..=2).contains(&list.len()) && list.iter().all(toml::Value::is_str) => {
            list.into_iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
        }
        _ => {
            let remedy = "write it as text, or as a list of two while one is being renewed".to_owned();
            return Err(fault(format!("webhooks.{name}"), "it is no secret".to_owned(), remedy));
        }
    };
    if texts.iter().any(|text| text.len() < MIN_TOKEN_CHARS) {
        let remedy = format!("let the sender make one, or choose at least {MIN_TOKEN_CHARS} characters");
        return Err(fault(format!("webhooks.{name}"), "too short to be a secret".to_owned(), remedy));
    }
    Ok((name, texts.into_iter().map(Secret::new).collect()))
}

pub(crate) fn fault(key: String, problem: String, remedy: String) -> ConfigError {
    ConfigError::Setting { file: SECRETS_FILE, key, problem, remedy }
}

fn refuse_if_open(path: &Path) -> Result<(), ConfigError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::metadata(path).map_err(|source| ConfigError::Io { path: path.to_owned(), source })?;
    let others_may_read = metadata.permissions().mode() & 0o077 != 0;
    if others_may_read { Err(ConfigError::OpenSecrets(path.to_owned())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read(text: &str) -> Result<Secrets, ConfigError> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join(SECRETS_FILE);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("allowed");
        Secrets::read(&path)
    }

    fn token(more: &str) -> String {
        format!("[api_tokens.crm]\ntoken = \"0123456789abcdef\"\nscopes = [\"profiles:read\"]\n{more}")
    }

    #[test]
    fn a_token_has_a_rate_of_its_own_or_the_usual_one() {
        for (more, expected) in
            [("", 1000), ("requests_per_second = 5", 5), ("requests_per_second = 1000000", 1_000_000)]
        {
            let secrets = read(&token(more)).expect("sound");
            assert_eq!(secrets.api_tokens[0].requests_per_second.get(), expected, "{more}");
        }
    }

    #[test]
    fn an_unsound_token_is_told_by_its_key() {
        for (text, expected) in [
            (token("requests_per_second = 0"), "api_tokens.crm.requests_per_second: 0 is no rate; use 1 to 1000000"),
            (token("requests_per_second = 1000001"), "api_tokens.crm.requests_per_second: 1000001 is no rate"),
            (token("requests_per_second = 2.5"), "invalid type: floating point"),
            (token("rate = 2"), "unknown field `rate`"),
            (token("").replace("0123456789abcdef", "short"), "api_tokens.crm.token: too short to be a secret"),
            (
                token("").replace("profiles:read", "profiles"),
                "api_tokens.crm.scopes: there is no scope \"profiles\"; use profiles:read",
            ),
            (
                token("").replace("\"profiles:read\"", ""),
                "api_tokens.crm.scopes: a token without a scope opens nothing",
            ),
        ] {
            let error = read(&text).expect_err(&text).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let text = token("requests_per_second = 0") + "\n[write_keys]\nweb = 'key'\n[webhooks]\nbilling = 5";
        let told = read(&text).expect_err("three faults").to_string();
        let keys: Vec<&str> = told.lines().filter_map(|line| line.split(": ").nth(1)).collect();
        assert_eq!(keys, ["write_keys.web", "api_tokens.crm.requests_per_second", "webhooks.billing"], "{told}");
        assert!(told.contains("write_keys.web: too short to be a secret; use at least 16 characters"), "{told}");
    }

    #[test]
    fn secrets_that_fit_no_source_are_all_told() {
        let secrets = "[write_keys]\nshop = 'key-0123456789abcdef'\n[webhooks]\nbilling = '0123456789abcdef'";
        let settings = Settings::parse(crate::TEMPLATE).expect("sound");
        let told = crate::Config::of(settings, read(secrets).expect("sound")).expect_err("three faults").to_string();
        let keys: Vec<&str> = told.lines().filter_map(|line| line.split(": ").nth(1)).collect();
        assert_eq!(keys, ["webhooks.billing", "write_keys.web", "write_keys.shop"], "{told}");
    }

    #[test]
    fn a_webhook_has_one_secret_or_two() {
        let (one, other) = ("0123456789abcdef", "fedcba9876543210");
        for (value, expected) in [
            (format!("'{one}'"), vec![one]),
            (format!("['{one}']"), vec![one]),
            (format!("['{one}', '{other}']"), vec![one, other]),
        ] {
            let secrets = read(&format!("[webhooks]\nbilling = {value}")).expect("sound");
            let secrets: Vec<&str> = secrets.webhooks["billing"].iter().map(Secret::expose).collect();
            assert_eq!(secrets, expected, "{value}");
        }
        for (value, expected) in [
            ("5", "webhooks.billing: it is no secret; write it as text"),
            ("[]", "webhooks.billing: it is no secret"),
            ("['a', 'b', 'c']", "webhooks.billing: it is no secret"),
            ("'short'", "webhooks.billing: too short to be a secret"),
        ] {
            let error = read(&format!("[webhooks]\nbilling = {value}")).expect_err(value).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn webhooks_and_their_secrets_belong_together() {
        let web = "[write_keys]\nweb = 'key-0123456789abcdef'\n";
        let secret = "[webhooks]\nbilling = '0123456789abcdef'";
        let billing = "\n[webhooks.billing]\nscheme = 'generic'\nsignature = { header = 'X-Signature' }\n";
        let in_base64 = billing.replace("' }", "', secret = 'base64' }");
        for (settings, secrets, expected) in [
            (billing, format!("{web}{secret}"), None),
            (
                "",
                format!("{web}{secret}"),
                Some("webhooks.billing: no such webhook; add [webhooks.billing] to cdp.toml"),
            ),
            (billing, web.to_owned(), Some("webhooks.billing: it is missing; [webhooks.billing] in cdp.toml needs")),
            (
                &in_base64,
                format!("{web}{}", secret.replace("9a", "9!")),
                Some("webhooks.billing: it is not written as `signature.secret` says; copy it as"),
            ),
        ] {
            let settings = Settings::parse(&format!("{}{settings}", crate::TEMPLATE)).expect("sound");
            let outcome = crate::Config::of(settings, read(&secrets).expect("sound"));
            let told = outcome.err().map(|error| error.to_string());
            assert_eq!(told.is_some(), expected.is_some(), "{told:?}");
            assert!(told.unwrap_or_default().contains(expected.unwrap_or_default()), "{secrets}");
        }
    }
}
