//! Metadata: when the person came to be, and by which messages.

use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::http::HeaderMap;
use axum::response::Response;
use bytestring::ByteString;
use cdp_app::Found;
use cdp_ports::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Asked, AskedPath};
use crate::profiles::Profiles;
use crate::profiles::freshness::answer;
use crate::profiles::refusal::Refusal;
use crate::profiles::view::Moment;

#[derive(Serialize, ToSchema)]
#[schema(as = SegmentMetadata)]
pub(super) struct MetadataView<'a> {
    metadata: Metadata<'a>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SegmentMetadataFields)]
struct Metadata<'a> {
    created_at: Moment,
    /// When the last event was received.
    updated_at: Option<Moment>,
    /// Profiles do not expire: null.
    expires_at: Option<Moment>,
    first_message_id: Option<&'a str>,
    first_source_id: Option<&'a str>,
    last_message_id: Option<&'a str>,
    last_source_id: Option<&'a str>,
}

/// When a person came to be, as Segment shows it
#[utoipa::path(
    get,
    path = "/v1/spaces/{space}/collections/{collection}/profiles/{name}/metadata",
    operation_id = "getSegmentMetadata",
    tag = "segment profile api",
    params(Asked),
    responses((status = 200, description = "The metadata", body = MetadataView)),
    security(("basic" = []), ("bearer" = ["profiles:read"])),
)]
pub(super) async fn metadata<S: State + 'static>(
    Shared(profiles): Shared<Arc<Profiles<S>>>,
    asked: AskedPath,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Path(asked) = asked?;
    let found = asked.find(&profiles).await?;
    answer(&found, &headers, |found| MetadataView { metadata: Metadata::of(found) })
}

impl<'a> Metadata<'a> {
    fn of(found: &'a Found) -> Self {
        // Members stand in the order in which they were created.
        let first = found.members.iter().find_map(|member| member.first_message.as_ref());
        let newest = found.members.iter().max_by_key(|member| member.updated_at);
        let last = newest.and_then(|member| member.last_message.as_ref());
        let id = |message: Option<&'a (ByteString, ByteString)>| message.map(|(id, _)| &**id);
        let source = |message: Option<&'a (ByteString, ByteString)>| message.map(|(_, source)| &**source);
        Self {
            created_at: found.set.root().created_at().into(),
            updated_at: found.person.updated_at.map(Moment::from),
            expires_at: None,
            first_message_id: id(first),
            first_source_id: source(first),
            last_message_id: id(last),
            last_source_id: source(last),
        }
    }
}
