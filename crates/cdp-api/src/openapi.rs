//! The OpenAPI 3.1 document, made from the code that it describes, and served at `/v1/openapi.json`.
//!
//! `schemas/http/openapi.json` is its snapshot: a change of the API shows in review.

pub(crate) mod headers;

use std::sync::LazyLock;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi as _};

use crate::{operations, profiles, tracking, webhooks};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "cdp",
        description = "Events in, by Segment's tracking API and by signed webhooks; profiles out. Beside it, `POST /` \
                       answers the Kinesis protocol in JSON and CBOR, which AWS documents, and `/v1/admin/` what the \
                       `cdp` command asks for.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "tracking", description = "Producers send events. Official SDKs of Segment and RudderStack speak this."),
        (name = "webhooks", description = "Third parties call, and their payloads become events."),
        (name = "profiles", description = "One person at a time, as one canonical profile."),
        (name = "segment profile api", description = "The same persons in the shapes of Segment's Profile API."),
        (name = "operations", description = "For whoever runs the platform."),
    ),
    modifiers(&Credentials),
)]
struct Document;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        for (name, scheme, description) in [
            ("basic", HttpAuthScheme::Basic, "The write key or API token as user name, without a password"),
            ("bearer", HttpAuthScheme::Bearer, "The write key or API token"),
        ] {
            let scheme = HttpBuilder::new().scheme(scheme).description(Some(description)).build();
            components.add_security_scheme(name, SecurityScheme::Http(scheme));
        }
    }
}

/// With line breaks and a last one, as the snapshot has it.
pub static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let mut document = Document::openapi();
    tracking::Documented.modify(&mut document);
    webhooks::Documented.modify(&mut document);
    document.merge(profiles::documented());
    document.merge(operations::Documented::openapi());
    document.merge(OfItself::openapi());
    headers::describe(&mut document);
    let mut json = document.to_pretty_json().unwrap_or_default();
    json.push('\n');
    json
});

pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/v1/openapi.json", get(document))
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(document))]
struct OfItself;

/// This document
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    operation_id = "getOpenapi",
    tag = "operations",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)),
)]
async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}
