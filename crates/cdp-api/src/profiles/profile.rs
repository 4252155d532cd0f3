//! `GET /v1/profiles/{name}`: the whole canonical profile.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::http::HeaderMap;
use axum::response::Response;
use cdp_ports::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Profiles;
use super::freshness::answer;
use super::parameters::AskedQuery;
use super::refusal::Refusal;
use super::view::{Include, ProfileView};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ProfileQuery {
    /// What to show beside the profile: `members`, `edges`, or both with a comma between.
    include: Option<String>,
}

/// One person's canonical profile
///
/// By any identifier or profile id of the person.
#[utoipa::path(
    get,
    path = "/v1/profiles/{name}",
    operation_id = "getProfile",
    tag = "profiles",
    params(
        ("name" = String, Path, description = "NAMESPACE:VALUE, URL-encoded, or a profile's id", example = "user_id:42"),
        ProfileQuery,
    ),
    responses((status = 200, description = "The profile", body = ProfileView)),
    security(("bearer" = ["profiles:read"]), ("basic" = [])),
)]
pub(super) async fn profile<S: State + 'static>(
    Shared(profiles): Shared<Arc<Profiles<S>>>,
    name: Result<Path<String>, PathRejection>,
    query: AskedQuery<ProfileQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (Path(name), Query(query)) = (name?, query?);
    let include = include(query.include.as_deref().unwrap_or_default())?;
    let found = profiles.find(&name).await?;
    answer(&found, &headers, |found| ProfileView::of(found, include))
}

fn include(list: &str) -> Result<Include, Refusal> {
    let mut include = Include::default();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match part {
            "members" => include.members = true,
            "edges" => include.edges = true,
            _ => return Err(Refusal::bad_parameter("include", "knows `members` and `edges`")),
        }
    }
    Ok(include)
}
