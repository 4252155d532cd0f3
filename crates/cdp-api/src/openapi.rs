//! The OpenAPI 3.1 document, made from the code that it describes, and served at `/v1/openapi.json`.
//!
//! `schemas/http/openapi.json` is its snapshot: a change of the API shows in review.

use std::sync::LazyLock;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi as _};

use crate::{profiles, tracking};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "cdp",
        description = "Events in, by Segment's tracking API; profiles out. Beside it, the same address answers the \
                       Kinesis JSON protocol, which AWS documents.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "tracking", description = "Producers send events. Official SDKs of Segment and RudderStack speak this."),
        (name = "profiles", description = "One person at a time, as one canonical profile."),
        (name = "segment profile api", description = "The same persons in the shapes of Segment's Profile API."),
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
    document.merge(profiles::documented());
    let mut json = document.to_pretty_json().unwrap_or_default();
    json.push('\n');
    json
});

pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/v1/openapi.json", get(async || ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str())))
}
