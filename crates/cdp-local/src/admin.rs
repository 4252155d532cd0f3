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
use cdp_api::profiles::Scope;
use cdp_deployment::Secrets;
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
    match admit(&platform.deployment.config.secrets, token) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

fn admit(secrets: &Secrets, shown: Option<&str>) -> Result<(), NotDone> {
    let token = shown.and_then(|shown| secrets.token(shown)).ok_or_else(NotDone::unknown)?;
    if token.scopes.contains(&Scope::Admin) { Ok(()) } else { Err(NotDone::forbidden(&token.name)) }
}

/// Why an administrator's call came to nothing.
#[derive(Debug)]
struct NotDone {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl NotDone {
    fn unknown() -> Self {
        let message = "show a token with the scope `admin`, as `Authorization: Bearer TOKEN`".to_owned();
        Self { status: StatusCode::UNAUTHORIZED, code: "no_admin_token", message }
    }

    fn forbidden(token: &str) -> Self {
        let message = format!("token {token} lacks the scope `admin`; give it that, or show another");
        Self { status: StatusCode::FORBIDDEN, code: "forbidden", message }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_known_is_told_apart_from_who_lacks_the_scope() {
        let secrets = r#"
            [api_tokens.crm]
            token = "crm-0123456789abcdef"
            scopes = ["profiles:read"]
            [api_tokens.ops]
            token = "ops-0123456789abcdef"
            scopes = ["profiles:read", "admin"]
        "#;
        let secrets = Secrets::parse(secrets).expect("sound secrets");
        for (shown, status, code, says) in [
            (None, 401, "no_admin_token", "`admin`"),
            (Some(""), 401, "no_admin_token", "`admin`"),
            (Some("crm-0123456789abcde"), 401, "no_admin_token", "`admin`"),
            (Some("crm-0123456789abcdeg"), 401, "no_admin_token", "`admin`"),
            (Some("crm-0123456789abcdef"), 403, "forbidden", "token crm lacks the scope `admin`"),
        ] {
            let refused = admit(&secrets, shown).expect_err("no administrator");
            assert_eq!((refused.status.as_u16(), refused.code), (status, code), "{shown:?}");
            assert!(refused.message.contains(says), "{shown:?}: {}", refused.message);
        }
        assert!(admit(&secrets, Some("ops-0123456789abcdef")).is_ok());
    }
}
