//! Segment's Profile API: its paths, parameters, shapes and error codes, so that what reads profiles there reads them here.
//!
//! A deployment is one space; any name of it is taken. There are no accounts.

mod cursor;

mod events;
mod external_ids;
mod links;
mod metadata;
mod traits;

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::routing::get;
use cdp_app::Found;
use cdp_ports::State;
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};

use super::Profiles;
use super::refusal::Refusal;

pub(super) fn routes<S: State + 'static>() -> Router<Arc<Profiles<S>>> {
    let path = |part: &str| format!("/v1/spaces/{{space}}/collections/{{collection}}/profiles/{{name}}/{part}");
    Router::new()
        .route(&path("traits"), get(traits::traits))
        .route(&path("external_ids"), get(external_ids::external_ids))
        .route(&path("events"), get(events::events))
        .route(&path("metadata"), get(metadata::metadata))
        .route(&path("links"), get(links::links))
}

#[derive(OpenApi)]
#[openapi(
    paths(traits::traits, external_ids::external_ids, events::events, metadata::metadata, links::links),
    components(schemas(traits::Class, events::Sort))
)]
pub(super) struct Documented;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct Asked {
    /// Any name: a deployment is one space.
    space: String,
    /// `users`. There are no `accounts`.
    collection: String,
    /// TYPE:ID, URL-encoded, or a profile's id.
    #[param(example = "user_id:42")]
    name: String,
}

type AskedPath = Result<Path<Asked>, PathRejection>;

impl Asked {
    async fn find<S: State>(&self, profiles: &Profiles<S>) -> Result<Found, Refusal> {
        match self.collection.as_str() {
            "users" => profiles.find(&self.name).await,
            "accounts" => Err(Refusal::NotFound),
            _ => Err(Refusal::BadCollection),
        }
    }
}

/// The elements of a comma-separated list; `None` where there is no list.
fn listed(list: Option<&str>) -> Option<Vec<&str>> {
    list.map(|list| list.split(',').map(str::trim).filter(|part| !part.is_empty()).collect())
}
