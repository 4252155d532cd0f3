//! Settings and secrets in the terms of the HTTP front.

use cdp_api::profiles::Token;
use cdp_api::{AccessKey, ApiConfig, Limits, Secret, Source};
use cdp_app::{Again, RefusedRow};
use cdp_webhooks::{Webhook, WebhookSettings};

use crate::error::all;
use crate::secrets::fault;
use crate::{Config, ConfigError, Secrets, Settings};

impl Config {
    /// Who may send, and how much.
    pub fn api(&self) -> ApiConfig {
        let Self { settings, secrets, webhooks, .. } = self;
        // Each source has its key: checked when the two were put together.
        let sources = settings.api.iter().filter_map(|(name, source)| {
            let write_key = secrets.write_keys.get(name)?.clone();
            Some(Source { name: name.clone(), write_key, events_per_second: source.events_per_second })
        });
        let access_keys =
            secrets.access_keys.iter().map(|(id, secret)| AccessKey { id: id.clone(), secret: secret.clone() });
        ApiConfig {
            stream_name: settings.stream.name.clone(),
            sources: sources.collect(),
            webhooks: webhooks.clone(),
            access_keys: access_keys.collect(),
            limits: Limits {
                request_bytes: settings.limits.request_bytes,
                inflated_bytes: settings.limits.inflated_bytes,
                batch_events: settings.limits.events_in_a_batch,
                ..Limits::default()
            },
        }
    }
}

fn webhook<'s>(
    name: &str,
    settings: &WebhookSettings,
    secrets: impl IntoIterator<Item = &'s str>,
) -> Result<Webhook, ConfigError> {
    Webhook::new(name, settings, secrets).map_err(|error| {
        let remedy = "copy it as its sender shows it, without what is no part of the key".to_owned();
        fault(format!("webhooks.{name}"), error.to_string(), remedy)
    })
}

impl Settings {
    /// What a refused row comes to now: by its drop source, or by its webhook. See [`cdp_app::Remap`].
    pub fn again(&self, webhooks: &[Webhook], row: &RefusedRow<'_>) -> Again {
        match row.of_file {
            Some(of_file) => match self.drops.get(row.source) {
                Some(source) => cdp_drops::again(source, row, of_file),
                None => Again::OnlyWithItsFile,
            },
            None => match webhooks.iter().find(|webhook| webhook.name() == row.source) {
                Some(webhook) => cdp_webhooks::again(webhook, row),
                None => Again::AsItIs,
            },
        }
    }

    /// Webhooks that no call can convince: they have no secrets. For whoever maps again what they took.
    pub fn mappings_of_webhooks(&self) -> Result<Vec<Webhook>, ConfigError> {
        all(self.webhooks.iter().map(|(name, settings)| webhook(name, settings, [])))
    }
}

impl Secrets {
    /// Who may call. Each has its secrets: checked when settings and secrets were put together.
    pub(crate) fn webhooks(&self, settings: &Settings) -> Result<Vec<Webhook>, ConfigError> {
        let with_secrets =
            settings.webhooks.iter().filter_map(|(name, one)| Some((name, one, self.webhooks.get(name)?)));
        all(with_secrets.map(|(name, one, secrets)| webhook(name, one, secrets.iter().map(Secret::expose))))
    }

    /// Who may ask.
    pub fn tokens(&self) -> Vec<Token> {
        let tokens = self.api_tokens.iter().map(|token| Token {
            name: token.name.clone(),
            token: token.token.clone(),
            scopes: token.scopes.clone(),
            requests_per_second: token.requests_per_second,
        });
        tokens.collect()
    }
}
