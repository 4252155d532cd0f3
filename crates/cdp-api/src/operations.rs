//! For whoever runs the platform: is it ready, and what does it do.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::Api;

pub(crate) fn routes<S: Send + Sync + 'static>() -> Router<Arc<Api<S>>> {
    Router::new().route("/healthz", get(healthz)).route("/metrics", get(metrics))
}

#[derive(OpenApi)]
#[openapi(paths(healthz, metrics))]
pub(crate) struct Documented;

#[derive(Serialize, ToSchema)]
struct Health {
    /// `ready` or `starting`.
    status: &'static str,
}

/// Whether the platform is ready
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "isReady",
    tag = "operations",
    responses(
        (status = 200, description = "It is", body = Health),
        (status = 503, description = "It starts, or ends", body = Health),
    ),
)]
async fn healthz<S>(State(api): State<Arc<Api<S>>>) -> impl IntoResponse {
    if api.is_ready() {
        (StatusCode::OK, Json(Health { status: "ready" }))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "starting" }))
    }
}

/// What the platform counts, in Prometheus's format
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "getMetrics",
    tag = "operations",
    responses((status = 200, description = "Metrics", body = String, content_type = "text/plain")),
)]
async fn metrics<S>(State(api): State<Arc<Api<S>>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], api.metrics.render())
}
