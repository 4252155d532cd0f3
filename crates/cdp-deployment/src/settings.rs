//! `cdp.toml`, as types. A key that is not known is an error: a typing mistake must not be a setting that is not heeded.

mod identity;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use cdp_drops::{DropSettings, SettingsError};
use cdp_event::{Namespace, Timestamp};
use cdp_webhooks::WebhookSettings;
use serde::Deserialize;

pub use identity::IdentitySettings;

use crate::error::Faults;
use crate::{ConfigError, SETTINGS_FILE, is_name, parse, read_text};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub stream: StreamSettings,
    /// Producers over HTTP, by name.
    #[serde(default)]
    pub api: BTreeMap<String, ApiSource>,
    /// Drop folders, by name.
    #[serde(default)]
    pub drops: BTreeMap<String, DropSettings>,
    /// Third parties that call, by name.
    #[serde(default)]
    pub webhooks: BTreeMap<String, WebhookSettings>,
    pub identity: IdentitySettings,
    #[serde(default)]
    pub limits: LimitSettings,
    #[serde(default)]
    pub retention: RetentionSettings,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamSettings {
    /// What the Kinesis API calls it; also the source of records that name no other.
    pub name: String,
    pub shards: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiSource {
    /// A source that sends faster is told to wait.
    pub events_per_second: Option<NonZeroU32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Of a request's body as it is sent.
    pub request_bytes: usize,
    /// Of a request's body once inflated.
    pub inflated_bytes: usize,
    pub events_in_a_batch: usize,
    /// A batch of a shard is closed when it has so many records, so many bytes, or is so old.
    pub ingest_records: usize,
    pub ingest_bytes: usize,
    pub ingest_linger_ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionSettings {
    /// How long the stream keeps records that were taken in, for replay.
    pub stream_hours: u32,
    /// How long files stay that no table names any more, for queries that began before.
    pub orphans_hours: u32,
}

/// When a shard's batch is closed.
#[derive(Clone, Copy, Debug)]
pub struct IngestLimits {
    pub records: usize,
    pub bytes: usize,
    pub linger: Duration,
}

impl Default for LimitSettings {
    fn default() -> Self {
        let cdp_api::Limits { request_bytes, inflated_bytes, batch_events, .. } = cdp_api::Limits::default();
        Self {
            request_bytes,
            inflated_bytes,
            events_in_a_batch: batch_events,
            ingest_records: 32_000,
            ingest_bytes: 48 << 20,
            ingest_linger_ms: 500,
        }
    }
}

impl Default for RetentionSettings {
    fn default() -> Self {
        Self { stream_hours: 7 * 24, orphans_hours: 24 }
    }
}

const HOUR_MS: i64 = 3_600_000;

impl RetentionSettings {
    /// Files that nothing names go when they are older than this.
    pub fn orphans_before(&self, now: Timestamp) -> Timestamp {
        now.plus_ms(-i64::from(self.orphans_hours.max(1)) * HOUR_MS)
    }
}

impl Settings {
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&read_text(path)?)
    }

    /// `text`: of a `cdp.toml`.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let settings: Self = parse(SETTINGS_FILE, text)?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::default();
        self.check_names(&mut faults);
        for (name, drops) in &self.drops {
            check_drops(name, drops, &mut faults);
        }
        for (name, webhook) in &self.webhooks {
            if let Err(cdp_webhooks::SettingsError { key, problem, remedy }) = webhook.check() {
                faults.push(fault(format!("webhooks.{name}.{key}"), problem, remedy));
            }
        }
        self.limits.check(&mut faults);
        // Whoever wants the rules makes them, and is told then. Only with other faults they are told here.
        if !faults.is_empty() {
            faults.keep(self.identity.rules());
        }
        faults.end()
    }

    fn check_names(&self, faults: &mut Faults) {
        if !is_name(&self.stream.name) {
            faults.push(bad_name("stream.name", &self.stream.name));
        }
        if !(1..=64).contains(&self.stream.shards) {
            faults.push(fault("stream.shards", format!("{} shards", self.stream.shards), "use 1 to 64"));
        }
        for (area, name) in self.sources().filter(|(_, name)| !is_name(name)) {
            faults.push(bad_name(&format!("{area}.{name}"), name));
        }
        for (area, name) in self.second_of_a_name() {
            let problem = "another source has this name".to_owned();
            let remedy = "give each source its own name: tables tell them apart by it";
            faults.push(fault(format!("{area}.{name}"), problem, remedy));
        }
    }

    fn sources(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let api = self.api.keys().map(|name| ("api", name.as_str()));
        let drops = self.drops.keys().map(|name| ("drops", name.as_str()));
        let webhooks = self.webhooks.keys().map(|name| ("webhooks", name.as_str()));
        api.chain(drops).chain(webhooks)
    }

    /// Sources that have the name of one before them. An API source may be called as the stream is.
    fn second_of_a_name(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.sources().filter(|(area, name)| match *area {
            "api" => false,
            "drops" => self.api.contains_key(*name) || *name == self.stream.name,
            _ => self.api.contains_key(*name) || self.drops.contains_key(*name) || *name == self.stream.name,
        })
    }

    /// Those that the platform, the rules or a mapping names. Producers may send others.
    pub fn known_namespaces(&self) -> BTreeSet<&str> {
        let of_files = self.drops.values().filter_map(|drops| drops.mapping.as_ref());
        let of_calls =
            self.webhooks.values().flat_map(|webhook| webhook.mapping.iter().chain(webhook.mappings.values()));
        let mapped = of_files.chain(of_calls).flat_map(|mapping| mapping.identifiers.keys()).map(String::as_str);
        Namespace::KNOWN.into_iter().chain(self.identity.namespaces()).chain(mapped).collect()
    }

    pub fn ingest_limits(&self) -> IngestLimits {
        IngestLimits {
            records: self.limits.ingest_records,
            bytes: self.limits.ingest_bytes,
            linger: Duration::from_millis(self.limits.ingest_linger_ms),
        }
    }
}

impl LimitSettings {
    fn check(&self, faults: &mut Faults) {
        for (key, value, least) in [
            ("limits.request_bytes", self.request_bytes, 64 << 10),
            ("limits.inflated_bytes", self.inflated_bytes, self.request_bytes),
            ("limits.events_in_a_batch", self.events_in_a_batch, 1),
            ("limits.ingest_records", self.ingest_records, 1),
            ("limits.ingest_bytes", self.ingest_bytes, 1 << 20),
        ] {
            if value < least {
                faults.push(fault(key, format!("{value} is too little"), format!("use {least} or more")));
            }
        }
        if self.ingest_linger_ms > 60_000 {
            let problem = format!("{} ms is too long", self.ingest_linger_ms);
            faults.push(fault("limits.ingest_linger_ms", problem, "use 60000 or less"));
        }
    }
}

fn check_drops(name: &str, drops: &DropSettings, faults: &mut Faults) {
    if let Err(SettingsError { key, problem, remedy }) = drops.check() {
        faults.push(fault(format!("drops.{name}.{key}"), problem, remedy));
    }
    if !drops.sftp_keys.is_empty() && !is_sftp_user(name) {
        let problem = "the source is the SFTP user's name, and AWS takes no such name".to_owned();
        let remedy = "name it by 3 or more of a-z, 0-9, `_` and `-`, the first no `-`";
        faults.push(fault(format!("drops.{name}.sftp_keys"), problem, remedy));
    }
}

/// Of what may be a source's name.
fn is_sftp_user(name: &str) -> bool {
    name.len() >= 3 && !name.starts_with('-')
}

pub(super) fn fault(key: impl Into<String>, problem: String, remedy: impl Into<String>) -> ConfigError {
    ConfigError::Setting { file: SETTINGS_FILE, key: key.into(), problem, remedy: remedy.into() }
}

fn bad_name(key: &str, name: &str) -> ConfigError {
    fault(key, format!("{name:?} is no name"), "use 1 to 64 of a-z, 0-9, `_` and `-`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TEMPLATE;

    #[test]
    fn wrong_settings_are_told_by_key_and_remedy() {
        for (from, to, expected) in [
            ("shards = 2", "shards = 0", "cdp.toml: stream.shards: 0 shards; use 1 to 64"),
            ("name = \"events\"", "name = \"My Events\"", "cdp.toml: stream.name: \"My Events\" is no name"),
            ("[drops.partner]", "[drops.web]", "cdp.toml: drops.web: another source has this name"),
            (
                "[drops.partner]",
                "[webhooks.web]\nscheme = 'generic'\nsignature = { header = 'X-Signature' }",
                "cdp.toml: webhooks.web: another source has this name",
            ),
            (
                "[drops.partner]",
                "[webhooks.shop]\nscheme = 'shopify'\n[webhooks.shop.mapping]\nevent = 'E'",
                "cdp.toml: webhooks.shop.mapping.user_id: no column says whose row it is",
            ),
            (
                "[drops.partner]",
                "[drops.partner]\nencoding = 'ebcdic'",
                "cdp.toml: drops.partner.encoding: there is no encoding \"ebcdic\"; use a label",
            ),
            (
                "[drops.partner]",
                "[drops.us]\nsftp_keys = ['ssh-rsa AAAA']\n[drops.partner]",
                "cdp.toml: drops.us.sftp_keys: the source is the SFTP user's name",
            ),
            (
                "[identity]",
                "[limits]\nrequest_bytes = 1\n[identity]",
                "cdp.toml: limits.request_bytes: 1 is too little",
            ),
        ] {
            let error = check(&TEMPLATE.replacen(from, to, 1)).expect_err(to);
            assert!(error.to_string().starts_with(expected), "{error}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let text = TEMPLATE
            .replacen("shards = 2", "shards = 0", 1)
            .replacen("[drops.partner]", "[drops.partner]\nencoding = 'ebcdic'", 1)
            .replacen("limit = 1", "limit = 0", 1)
            .replacen("[identity]", "[limits]\ningest_records = 0\ningest_linger_ms = 70000\n[identity]", 1);
        let told = check(&text).expect_err("five faults").to_string();
        let keys: Vec<&str> = told.lines().filter_map(|line| line.split(": ").nth(1)).collect();
        let expected = [
            "stream.shards",
            "drops.partner.encoding",
            "limits.ingest_records",
            "limits.ingest_linger_ms",
            "identity.namespaces.user_id.limit",
        ];
        assert_eq!(keys, expected, "{told}");
    }

    #[test]
    fn what_the_template_offers_is_sound() {
        let is_offered = |line: &&str| line.starts_with('[') || line.contains(" = ");
        let lines = TEMPLATE.lines().map(|line| line.strip_prefix("# ").filter(is_offered).unwrap_or(line));
        let settings = Settings::parse(&lines.collect::<Vec<_>>().join("\n")).expect("sound");
        assert_eq!(settings.webhooks.keys().collect::<Vec<_>>(), ["billing"]);
        assert!(settings.drops["partner"].mapping.is_some() && settings.api["web"].events_per_second.is_some());
    }

    #[test]
    fn a_key_that_is_not_known_is_an_error_with_its_line() {
        let error = toml::from_str::<Settings>(&TEMPLATE.replacen("shards", "shard", 1)).expect_err("a typing mistake");
        let text = error.to_string();
        assert!(text.contains("unknown field `shard`") && text.contains("line"), "{text}");
    }

    fn check(text: &str) -> Result<(), ConfigError> {
        toml::from_str::<Settings>(text).expect("the syntax is fine").check()
    }
}
