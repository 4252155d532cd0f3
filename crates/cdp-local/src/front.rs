//! The HTTP API of this machine: the producers' front, profiles, and administration.

use std::sync::Arc;

use axum::Router;
use cdp_api::profiles::{self, Profiles};
use cdp_api::{Api, Metrics, Outside};

use cdp_ports::Clock;

use crate::admin;
use crate::history::SqlHistory;
use crate::log::LocalLog;
use crate::platform::{OpenError, Platform};
use adapter_machine::Machine;

pub struct Front {
    pub api: Arc<Api<LocalLog>>,
    pub router: Router,
}

impl Front {
    pub fn assemble(platform: &Arc<Platform>, metrics: Metrics) -> Result<Self, OpenError> {
        let config = &platform.deployment.config;
        let outside =
            Outside { stream: Arc::clone(&platform.log), clock: Arc::new(Machine), chance: Arc::new(Machine) };
        let api = Arc::new(Api::new(config.api(), outside, metrics)?);
        let clock: Arc<dyn Clock> = Arc::new(Machine);
        let profiles = Profiles::new(config.secrets.tokens(), Arc::clone(&platform.ingest.state), &clock)?
            .with_history(Arc::new(SqlHistory::new(Arc::clone(platform))));
        let others = admin::routes(platform).merge(profiles::routes(Arc::new(profiles)));
        Ok(Self { router: cdp_api::router(&api, others), api })
    }
}
