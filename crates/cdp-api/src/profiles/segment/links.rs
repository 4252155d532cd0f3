//! Links: from a user to accounts. There are no accounts, so there are none.

use std::sync::Arc;

use axum::extract::{Path, Query, State as Shared};
use axum::http::HeaderMap;
use axum::response::Response;
use cdp_ports::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::cursor::Cursor;
use super::{Asked, AskedPath};
use crate::profiles::Profiles;
use crate::profiles::freshness::answer;
use crate::profiles::parameters::{AskedQuery, limit};
use crate::profiles::refusal::Refusal;

const MOST: usize = 20;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LinksQuery {
    /// 20 unless it is given, which is also the most.
    #[param(value_type = Option<usize>)]
    limit: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SegmentLinks)]
pub(super) struct LinksPage {
    /// Empty.
    #[schema(value_type = Vec<Object>)]
    data: [(); 0],
    cursor: Cursor,
}

/// Accounts of a person, as Segment shows them: none
#[utoipa::path(
    get,
    path = "/v1/spaces/{space}/collections/{collection}/profiles/{name}/links",
    operation_id = "getSegmentLinks",
    tag = "segment profile api",
    params(Asked, LinksQuery),
    responses((status = 200, description = "No links", body = LinksPage)),
    security(("basic" = []), ("bearer" = ["profiles:read"])),
)]
pub(super) async fn links<S: State + 'static>(
    Shared(profiles): Shared<Arc<Profiles<S>>>,
    asked: AskedPath,
    query: AskedQuery<LinksQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (Path(asked), Query(query)) = (asked?, query?);
    let limit = limit(query.limit.as_deref(), MOST, MOST)?;
    let found = asked.find(&profiles).await?;
    answer(&found, &headers, |found| LinksPage { data: [], cursor: Cursor::new(&asked, found, "links", limit, None) })
}
