//! Segment's tracking API, so that its SDKs work unmodified with only a host and a write key.
//!
//! Success means that every event is durable in the stream. Whether an event is valid is decided behind the stream, where
//! a bad one goes to quarantine; a producer that wants to know at once asks for verdicts (`?verdicts=true` or the header
//! `X-CDP-Verdicts: true`) and gets one for each event.

mod call;
mod collect;
mod settings;
mod verdict;
mod write_key;

mod documented;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, Method, header};
use axum::routing::{MethodRouter, get, post};
use cdp_event::EventKind;
use cdp_ports::Stream;
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

use crate::requests::not_allowed;
use crate::{Api, rate};
use collect::{Shape, collect};

pub(crate) use collect::Taken;
pub(crate) use documented::{Documented, of_type, refusal, taken};

pub(crate) fn routes<S: Stream + 'static>() -> Router<Arc<Api<S>>> {
    let mut routes =
        Router::new().route(SETTINGS_PATH, get(settings::settings)).route(SDK_METRICS_PATH, post(ignore_sdk_metrics));
    for path in BATCH_PATHS {
        routes = routes.route(path, takes(Shape::Batch));
    }
    for kind in EventKind::ALL {
        for path in paths_of_kind(kind) {
            routes = routes.route(&path, takes(Shape::Single(kind)));
        }
    }
    // Set inside of the layer, so that the layer sees a preflight before this calls it a wrong method.
    routes.method_not_allowed_fallback(not_allowed).layer(for_browsers())
}

const SETTINGS_PATH: &str = "/v1/projects/{write_key}/settings";
const SDK_METRICS_PATH: &str = "/v1/m";

/// What batches are sent to: by server SDKs, by Segment's importers, by the browser SDK.
const BATCH_PATHS: [&str; 3] = ["/v1/batch", "/v1/import", "/v1/b"];

/// By server SDKs, and by the browser SDK.
fn paths_of_kind(kind: EventKind) -> [String; 2] {
    [format!("/v1/{kind}"), format!("/v1/{}", letter(kind))]
}

fn takes<S: Stream + 'static>(shape: Shape) -> MethodRouter<Arc<Api<S>>> {
    post(async move |State(api): State<Arc<Api<S>>>, request: Request| collect(&api, shape, request).await)
}

/// The browser SDK's name for a call in its path.
const fn letter(kind: EventKind) -> char {
    match kind {
        EventKind::Track => 't',
        EventKind::Identify => 'i',
        EventKind::Page => 'p',
        EventKind::Screen => 's',
        EventKind::Group => 'g',
        EventKind::Alias => 'a',
    }
}

/// The browser SDK reports on itself here. Nobody reads it; an error would only fill consoles.
async fn ignore_sdk_metrics() -> &'static str {
    "{}"
}

/// Any page may send: the write key says for whom, and a browser can't keep it secret anyway.
fn for_browsers() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([header::RETRY_AFTER, rate::RESET, HeaderName::from_static("x-request-id")])
        .max_age(Duration::from_secs(3600))
}
