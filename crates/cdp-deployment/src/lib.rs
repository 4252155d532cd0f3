//! What a deployment is told: `cdp.toml`, which stands in git, and `secrets.toml`, which does not. Read and checked once,
//! before anything starts; the same on one machine and on AWS. It knows nothing of where a deployment keeps its data.

mod settings;

mod secrets;

mod front;

mod error;

use std::path::Path;

use cdp_identity::Rules;
use cdp_webhooks::Webhook;

pub use error::ConfigError;
use error::both;
pub use secrets::{ApiToken, Secrets, USUAL_REQUESTS_PER_SECOND};
pub use settings::{
    ApiSource, IdentitySettings, IngestLimits, LimitSettings, RetentionSettings, Settings, StreamSettings,
};

pub const SETTINGS_FILE: &str = "cdp.toml";
pub const SECRETS_FILE: &str = "secrets.toml";

/// What `cdp init` writes as `cdp.toml`.
pub const TEMPLATE: &str = include_str!("template.toml");

/// Settings and secrets that were found sound, and to fit each other.
#[derive(Debug)]
pub struct Config {
    pub settings: Settings,
    pub secrets: Secrets,
    pub rules: Rules,
    /// With their secrets.
    pub webhooks: Vec<Webhook>,
}

impl Config {
    /// Of the folder `root`. An error tells all that is wrong with its files.
    pub fn read(root: &Path) -> Result<Self, ConfigError> {
        let settings = Settings::read(&root.join(SETTINGS_FILE));
        let settings = settings.and_then(|settings| Ok((settings.identity.rules()?, settings)));
        let ((rules, settings), secrets) = both(settings, Secrets::read(&root.join(SECRETS_FILE)))?;
        Self::join(settings, rules, secrets)
    }

    pub fn of(settings: Settings, secrets: Secrets) -> Result<Self, ConfigError> {
        let rules = settings.identity.rules()?;
        Self::join(settings, rules, secrets)
    }

    fn join(settings: Settings, rules: Rules, secrets: Secrets) -> Result<Self, ConfigError> {
        secrets.match_sources(&settings)?;
        let webhooks = secrets.webhooks(&settings)?;
        Ok(Self { settings, secrets, rules, webhooks })
    }
}

fn read_text(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Io { path: path.to_owned(), source })
}

fn parse<T: serde::de::DeserializeOwned>(file: &'static str, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|source| ConfigError::Syntax { file, source: Box::new(source) })
}

/// Names of sources and of the stream show up in paths, tables and URLs.
fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}
