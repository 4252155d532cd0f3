//! For whoever runs the platform: is it ready, and what does it do.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::Api;

pub(crate) fn routes<S: Send + Sync + 'static>() -> Router<Arc<Api<S>>> {
    Router::new().route("/healthz", get(healthz)).route("/metrics", get(metrics))
}

async fn healthz<S>(State(api): State<Arc<Api<S>>>) -> impl IntoResponse {
    let json = [(header::CONTENT_TYPE, "application/json")];
    if api.is_ready() {
        (StatusCode::OK, json, r#"{"status":"ready"}"#)
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, json, r#"{"status":"starting"}"#)
    }
}

async fn metrics<S>(State(api): State<Arc<Api<S>>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], api.metrics.render())
}
