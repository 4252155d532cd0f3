//! `secrets.toml`: who may send, and who may ask.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;

use cdp_api::Secret;
use cdp_api::profiles::Scope;
use serde::Deserialize;

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
        let api_tokens = api_tokens.into_iter().map(|(name, file)| ApiToken::read(name, file));
        let api_tokens = api_tokens.collect::<Result<_, _>>()?;
        let hidden = |texts: BTreeMap<String, String>| texts.into_iter().map(|(k, v)| (k, Secret::new(v))).collect();
        let signing =
            |(name, value): (String, toml::Value)| signing_secrets(&name, value).map(|secrets| (name, secrets));
        let webhooks = webhooks.into_iter().map(signing).collect::<Result<_, _>>()?;
        Ok(Self { write_keys: hidden(write_keys), api_tokens, access_keys: hidden(access_keys), webhooks })
    }

    /// Each API source has its key, each webhook its secret, and none is left over.
    pub(crate) fn match_sources(&self, settings: &Settings) -> Result<(), ConfigError> {
        self.match_webhooks(settings)?;
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

    fn match_webhooks(&self, settings: &Settings) -> Result<(), ConfigError> {
        if let Some(name) = settings.webhooks.keys().find(|name| !self.webhooks.contains_key(*name)) {
            let remedy = format!("[webhooks.{name}] in cdp.toml needs the secret that its sender signs with");
            return Err(fault(format!("webhooks.{name}"), "it is missing".to_owned(), remedy));
        }
        if let Some(name) = self.webhooks.keys().find(|name| !settings.webhooks.contains_key(*name)) {
            let remedy = format!("add [webhooks.{name}] to cdp.toml, or remove the secret");
            return Err(fault(format!("webhooks.{name}"), "no such webhook".to_owned(), remedy));
        }
        Ok(())
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
            let remedy = format!("use at least {MIN_TOKEN_CHARS} characters, such as those of `openssl rand -hex 24`");
            return Err(fault(key("token"), "too short to be a secret".to_owned(), remedy));
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

/// One secret, or two.
fn signing_secrets(name: &str, value: toml::Value) -> Result<Vec<Secret>, ConfigError> {
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
    Ok(texts.into_iter().map(Secret::new).collect())
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
        let web = "[write_keys]\nweb = 'key'\n";
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
