//! What only whoever runs the platform may ask for: the proof, and a replay. Each call shows a token with the scope `admin`.

mod replay;
mod verify;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::json;

use crate::platform::Platform;

pub fn routes(platform: &Arc<Platform>) -> Router {
    Router::new()
        .route("/v1/admin/verify", post(verify::verify))
        .route("/v1/admin/replay", post(replay::replay))
        .layer(from_fn_with_state(Arc::clone(platform), for_admins))
        .with_state(Arc::clone(platform))
}

async fn for_admins(State(platform): State<Arc<Platform>>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = shown.and_then(|value| value.strip_prefix("Bearer "));
    match token {
        Some(token) if platform.deployment.config.secrets.is_admin(token) => next.run(request).await,
        Some(_) | None => {
            let message = "show a token with the scope `admin`, as `Authorization: Bearer TOKEN`";
            (StatusCode::UNAUTHORIZED, Json(json!({"code": "no_admin_token", "message": message}))).into_response()
        }
    }
}

/// Why an administrator's call came to nothing.
struct NotDone {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl NotDone {
    fn failed(error: impl std::fmt::Display) -> Self {
        tracing::error!("an administrator's call failed: {error}");
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, code: "failed", message: error.to_string() }
    }

    fn busy(error: impl std::fmt::Display) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, code: "busy", message: error.to_string() }
    }

    fn wrong(message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "bad_request", message }
    }
}

impl IntoResponse for NotDone {
    fn into_response(self) -> Response {
        (self.status, Json(json!({"code": self.code, "message": self.message}))).into_response()
    }
}
