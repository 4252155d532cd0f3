//! The use cases with their local adapters: assembled once, so that a wrong setting stops the start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use adapter_delta::DeltaLake;
use adapter_fjall::FjallState;
use cdp_app::Ingest;
use cdp_ports::{FaultKind, PortError};
use cdp_query::Query;

use crate::deployment::Deployment;
use crate::log::LocalLog;
use adapter_machine::Machine;

/// Memory for the state of a platform that serves many.
pub const SERVING_BYTES: u64 = 512 << 20;
/// Memory for the state of one command's work.
pub const COMMAND_BYTES: u64 = 64 << 20;

pub struct Platform {
    pub deployment: Deployment,
    pub ingest: Ingest<Arc<FjallState>, Arc<DeltaLake>, Machine>,
    pub log: Arc<LocalLog>,
    pub query: Arc<Query>,
    running: AtomicBool,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("cdp.toml or secrets.toml: {0}")]
    Front(#[from] cdp_api::BadConfig),
    #[error("secrets.toml: {0}")]
    Token(#[from] cdp_api::profiles::BadToken),
}

impl Platform {
    pub fn open(deployment: Deployment, state_bytes: u64) -> Result<Self, OpenError> {
        let log = LocalLog::open(&deployment.log(), &deployment.config.settings)?;
        let state = FjallState::open(deployment.state(), state_bytes);
        let state = state.map_err(|error| PortError::because(FaultKind::Broken, "open the state", error))?;
        let lake = DeltaLake::open(&deployment.lake());
        let lake = Arc::new(lake.map_err(|error| PortError::because(FaultKind::Broken, "open the lake", error))?);
        let query = Arc::new(Query::over(Arc::clone(&lake)));
        let ingest = Ingest { state: Arc::new(state), lake, clock: Machine, rules: deployment.config.rules.clone() };
        Ok(Self { deployment, ingest, log: Arc::new(log), query, running: AtomicBool::new(false) })
    }

    /// Workers are at work: what waits for a commit will not wait long.
    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    pub fn runs(&self) {
        self.running.store(true, Ordering::Release);
    }
}
