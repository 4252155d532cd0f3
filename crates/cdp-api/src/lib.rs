//! The HTTP front: producers' calls come in, events go to the stream, and an answer says what became of them.
//!
//! It knows the wire formats (Segment's tracking API, signed webhooks, the Kinesis protocol) and nothing of profiles, tables or identity.
//! Each area has a module with its own `routes()`; [`router`] puts them together and gives every answer a request id, a
//! log line and a measurement.

mod config;
mod state;

mod body;
mod credentials;
mod rate;
mod records;
mod refusal;

pub mod kinesis;
pub mod profiles;
pub mod tracking;
pub mod webhooks;

pub mod openapi;

mod metrics;
mod operations;
mod proof;
mod replayed;
mod requests;

use std::sync::Arc;

use axum::Router;
use cdp_ports::{Chance, State, Stream};

pub use config::{AccessKey, ApiConfig, BadConfig, Limits, Secret, Source};
pub use metrics::Metrics;
pub use proof::ProofView;
pub use refusal::Refusal;
pub use replayed::ReplayView;
pub use requests::RequestId;
pub use state::{Api, Outside};

use kinesis::StreamDescription;
use profiles::Profiles;

/// The whole front. `others` are routes of other areas: they get the same request ids, log lines and measurements.
pub fn router<S: Stream + StreamDescription + 'static>(api: &Arc<Api<S>>, others: Router) -> Router {
    let ours = Router::new()
        .merge(tracking::routes())
        .merge(webhooks::routes())
        .merge(kinesis::routes())
        .merge(operations::routes())
        .merge(openapi::routes());
    requests::observed(ours.with_state(Arc::clone(api)).merge(others), Arc::clone(&api.chance))
}

/// For producers alone: the tracking API, and webhooks.
pub fn tracking_router<S: Stream + 'static>(api: &Arc<Api<S>>) -> Router {
    let ours = tracking::routes().merge(webhooks::routes());
    requests::observed(ours.with_state(Arc::clone(api)), Arc::clone(&api.chance))
}

/// For those who look people up, alone: profiles, and the document that describes all of the API.
pub fn profiles_router<S: State + 'static>(profiles: Profiles<S>, chance: Arc<dyn Chance>) -> Router {
    requests::observed(openapi::routes().merge(profiles::routes(Arc::new(profiles))), chance)
}
