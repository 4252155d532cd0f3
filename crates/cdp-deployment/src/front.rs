//! Settings and secrets in the terms of the HTTP front.

use cdp_api::profiles::Token;
use cdp_api::{AccessKey, ApiConfig, Limits, Source};

use crate::{Config, Secrets};

impl Config {
    /// Who may send, and how much.
    pub fn api(&self) -> ApiConfig {
        let Self { settings, secrets, .. } = self;
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

impl Secrets {
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
