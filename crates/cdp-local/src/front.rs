//! The HTTP API of this machine: the producers' front, profiles, and administration.

use std::sync::Arc;

use axum::Router;
use cdp_api::profiles::{self, Profiles, Token};
use cdp_api::{AccessKey, Api, ApiConfig, Limits, Metrics, Outside, Source};

use cdp_ports::Clock;

use crate::admin;
use crate::deployment::Deployment;
use crate::history::SqlHistory;
use crate::log::LocalLog;
use crate::outside::Machine;
use crate::platform::{OpenError, Platform};

pub struct Front {
    pub api: Arc<Api<LocalLog>>,
    pub router: Router,
}

impl Front {
    pub fn assemble(platform: &Arc<Platform>, metrics: Metrics) -> Result<Self, OpenError> {
        let outside =
            Outside { stream: Arc::clone(&platform.log), clock: Arc::new(Machine), chance: Arc::new(Machine) };
        let api = Arc::new(Api::new(config(&platform.deployment), outside, metrics)?);
        let clock: Arc<dyn Clock> = Arc::new(Machine);
        let profiles = Profiles::new(tokens(&platform.deployment), Arc::clone(&platform.ingest.state), &clock)?
            .with_history(Arc::new(SqlHistory::new(Arc::clone(platform))));
        let others = admin::routes(platform).merge(profiles::routes(Arc::new(profiles)));
        Ok(Self { router: cdp_api::router(&api, others), api })
    }
}

fn config(deployment: &Deployment) -> ApiConfig {
    let Deployment { settings, secrets, .. } = deployment;
    // Each source has its key: checked when the deployment was opened.
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

fn tokens(deployment: &Deployment) -> Vec<Token> {
    let tokens = deployment.secrets.api_tokens.iter().map(|token| Token {
        name: token.name.clone(),
        token: token.token.clone(),
        scopes: token.scopes.clone(),
        requests_per_second: token.requests_per_second,
    });
    tokens.collect()
}
