//! One person at a time: the whole profile at `/v1/profiles/NAMESPACE:VALUE`, and the paths of Segment's Profile API.
//!
//! An answer shows the canonical profile, whichever of the person's identifiers or profiles was asked for. It is as new as
//! State: an event is in it once it is applied, seconds before it is in the tables.

mod access;
mod refusal;

mod history;

mod freshness;
mod view;

mod parameters;
mod profile;
mod segment;

mod documented;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cdp_app::{Found, Lookup, ProfileName};
use cdp_ports::{Clock, State};

pub use access::{BadToken, NotAScope, Scope, Token};
pub use cdp_profile::RecentEvent;
pub use history::{Asked, History, HistoryFault, PastEvent, Wanted, WarehouseHistory};

use access::Tokens;
pub(crate) use documented::documented;
use refusal::Refusal;

use crate::requests::short;

/// What the handlers share.
pub struct Profiles<S> {
    state: Arc<S>,
    /// `None`: of a person's events, only those that profiles keep themselves are shown.
    history: Option<Arc<dyn History>>,
    clock: Arc<dyn Clock>,
    tokens: Tokens,
}

impl<S: State> Profiles<S> {
    pub fn new(tokens: Vec<Token>, state: Arc<S>, clock: &Arc<dyn Clock>) -> Result<Self, BadToken> {
        let tokens = Tokens::new(tokens, clock)?;
        Ok(Self { state, history: None, clock: Arc::clone(clock), tokens })
    }

    pub fn with_history(self, history: Arc<dyn History>) -> Self {
        Self { history: Some(history), ..self }
    }

    async fn find(&self, name: &str) -> Result<Found, Refusal> {
        let name = ProfileName::parse(name)?;
        Lookup { state: &*self.state }.find(&name).await?.ok_or(Refusal::NotFound)
    }
}

pub fn routes<S: State + 'static>(profiles: Arc<Profiles<S>>) -> Router {
    Router::new()
        .route("/v1/profiles/{name}", get(profile::profile))
        .merge(segment::routes())
        .method_not_allowed_fallback(not_allowed)
        .route_layer(from_fn_with_state(Arc::clone(&profiles), access::guard))
        .with_state(profiles)
}

/// Whether errors at this path are told in Segment's form, also where it leads to nothing.
pub(crate) fn is_ours(path: &str) -> bool {
    ["/v1/profiles", "/v1/spaces"]
        .into_iter()
        .filter_map(|ours| path.strip_prefix(ours))
        .any(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub(crate) fn no_such_path(request: &Request) -> Response {
    let refusal = Refusal::NoSuchPath(short(request.uri().path()));
    access::named(request.extensions().get(), refusal.into_response())
}

async fn not_allowed(request: Request) -> Refusal {
    Refusal::NotAllowed(format!("{} {}", request.method(), short(request.uri().path())))
}
