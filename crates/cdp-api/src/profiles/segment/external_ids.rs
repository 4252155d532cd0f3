//! External ids: the person's identifiers.

use std::sync::Arc;

use axum::extract::{Path, Query, State as Shared};
use axum::http::HeaderMap;
use axum::response::Response;
use cdp_app::Found;
use cdp_identity::Held;
use cdp_ports::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::cursor::{Cursor, open, page, seal};
use super::{Asked, AskedPath, listed};
use crate::profiles::Profiles;
use crate::profiles::freshness::answer;
use crate::profiles::parameters::{AskedQuery, flag, limit};
use crate::profiles::refusal::Refusal;
use crate::profiles::view::Moment;

const USUAL: usize = 25;
const MOST: usize = 100;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ExternalIdsQuery {
    /// 25 unless it is given, at most 100.
    #[param(value_type = Option<usize>)]
    limit: Option<String>,
    /// Types, such as `user_id`, with commas between.
    include: Option<String>,
    /// Taken, and without effect: all fields are always shown.
    #[param(value_type = Option<bool>)]
    verbose: Option<String>,
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SegmentExternalIds)]
pub(super) struct ExternalIdsPage<'a> {
    data: Vec<ExternalId<'a>>,
    cursor: Cursor,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SegmentExternalId)]
struct ExternalId<'a> {
    source_id: &'a str,
    collection: &'static str,
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    created_at: Moment,
    encoding: &'static str,
    /// Not kept: null.
    first_message_id: Option<&'a str>,
}

impl<'a> From<&'a Held> for ExternalId<'a> {
    fn from(held: &'a Held) -> Self {
        Self {
            source_id: &held.source,
            collection: "users",
            id: &held.identifier.value,
            kind: held.identifier.namespace.as_str(),
            created_at: held.claimed_at.into(),
            encoding: "none",
            first_message_id: None,
        }
    }
}

/// Identifiers of a person, as Segment shows them
#[utoipa::path(
    get,
    path = "/v1/spaces/{space}/collections/{collection}/profiles/{name}/external_ids",
    operation_id = "getSegmentExternalIds",
    tag = "segment profile api",
    params(Asked, ExternalIdsQuery),
    responses((status = 200, description = "A page of identifiers", body = ExternalIdsPage)),
    security(("basic" = []), ("bearer" = ["profiles:read"])),
)]
pub(super) async fn external_ids<S: State + 'static>(
    Shared(profiles): Shared<Arc<Profiles<S>>>,
    asked: AskedPath,
    query: AskedQuery<ExternalIdsQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (Path(asked), Query(query)) = (asked?, query?);
    flag("verbose", query.verbose.as_deref())?;
    let limit = limit(query.limit.as_deref(), USUAL, MOST)?;
    let from = query.next.as_deref().filter(|next| !next.is_empty()).map(open).transpose()?;
    let found = asked.find(&profiles).await?;
    answer(&found, &headers, |found| {
        page_of(&asked, query.include.as_deref(), from.as_deref().unwrap_or_default(), found, limit)
    })
}

fn page_of<'a>(
    asked: &Asked,
    include: Option<&str>,
    from: &str,
    found: &'a Found,
    limit: usize,
) -> ExternalIdsPage<'a> {
    let types = listed(include);
    let is_asked_for =
        |held: &Held| types.as_ref().is_none_or(|types| types.contains(&held.identifier.namespace.as_str()));
    let mut all: Vec<(String, &Held)> = found
        .set
        .held
        .iter()
        .filter(|held| is_asked_for(held))
        .map(|held| (held.identifier.to_string(), held))
        .collect();
    all.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let (some, next) = page(all.into_iter().filter(|(place, _)| place.as_str() >= from), limit);
    let cursor = Cursor::new(asked, found, "external_ids", limit, next.map(|(place, _)| seal(&place)));
    ExternalIdsPage { data: some.into_iter().map(|(_, held)| held.into()).collect(), cursor }
}
