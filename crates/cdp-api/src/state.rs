//! What the handlers share: the stream, the sources by their write keys, the webhooks, and whether the platform is ready.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cdp_event::Timestamp;
use cdp_ports::{Chance, Clock};
use cdp_webhooks::Webhook;

use crate::config::{AccessKey, ApiConfig, BadConfig, Limits};
use crate::metrics::Metrics;
use crate::rate::Rate;

/// The ports that the front needs.
pub struct Outside<S> {
    pub stream: Arc<S>,
    pub clock: Arc<dyn Clock>,
    pub chance: Arc<dyn Chance>,
}

pub struct Api<S> {
    pub(crate) stream: Arc<S>,
    pub(crate) stream_name: String,
    pub(crate) limits: Limits,
    pub(crate) access_keys: Vec<AccessKey>,
    pub(crate) metrics: Metrics,
    clock: Arc<dyn Clock>,
    pub(crate) chance: Arc<dyn Chance>,
    sources: HashMap<String, KnownSource>,
    webhooks: HashMap<String, Webhook>,
    ready: AtomicBool,
}

/// A source that showed its write key.
pub(crate) struct KnownSource {
    pub name: String,
    pub rate: Option<Rate>,
}

impl<S> Api<S> {
    /// Not ready at first: see [`Api::set_ready`].
    pub fn new(config: ApiConfig, outside: Outside<S>, metrics: Metrics) -> Result<Self, BadConfig> {
        config.check()?;
        let ApiConfig { stream_name, sources, webhooks, access_keys, limits } = config;
        let known = |source: crate::Source| {
            let rate = source.events_per_second.map(|limit| Rate::new(limit, Arc::clone(&outside.clock)));
            (source.write_key.expose().to_owned(), KnownSource { name: source.name, rate })
        };
        Ok(Self {
            sources: sources.into_iter().map(known).collect(),
            webhooks: webhooks.into_iter().map(|webhook| (webhook.name().to_owned(), webhook)).collect(),
            stream: outside.stream,
            clock: outside.clock,
            chance: outside.chance,
            stream_name,
            limits,
            access_keys,
            metrics,
            ready: AtomicBool::new(false),
        })
    }

    /// What `GET /healthz` answers from now on. Requests are taken in any case: the stream is durable by itself.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    pub(crate) fn source(&self, write_key: &str) -> Option<&KnownSource> {
        self.sources.get(write_key)
    }

    pub(crate) fn webhook(&self, name: &str) -> Option<&Webhook> {
        self.webhooks.get(name)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
