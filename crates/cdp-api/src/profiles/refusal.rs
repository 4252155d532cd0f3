//! Why a question about a profile is turned away. The codes are Segment's, where it has one.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cdp_app::{LookupError, NotAProfileName};
use cdp_ports::{FaultKind, PortError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::rate::{put_wait, whole_seconds};

/// Where a port does not say how long to wait.
const USUAL_WAIT: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("there is no token; send it as a bearer token, or as the user name of basic authentication")]
    NoToken,
    #[error("the token is not known; use one of this deployment's API tokens")]
    UnknownToken,
    #[error("token {token} may not read profiles; give it the scope profiles:read")]
    Forbidden { token: String },
    #[error("token {token} asks faster than its limit; ask again after {} s", whole_seconds(*wait))]
    TooFast { token: String, wait: Duration },
    #[error("the profile's name can't be read: {0}")]
    BadName(String),
    #[error("The parameter `collection` is neither `users` nor `accounts`")]
    BadCollection,
    #[error("{0}")]
    BadParameter(String),
    #[error("Profile was not found.")]
    NotFound,
    #[error("there is no {0} here; /v1/openapi.json has the paths that there are")]
    NoSuchPath(String),
    #[error("{0} can't be done here; see the answer's `allow` header")]
    NotAllowed(String),
    #[error("profiles can't be read just now; ask again after {} s", whole_seconds(*wait))]
    Busy { wait: Duration },
    /// The cause is for the log.
    #[error("the profile can't be read; ask again later")]
    Unavailable { cause: String },
}

impl Refusal {
    pub fn bad_parameter(name: &str, problem: &str) -> Self {
        Self::BadParameter(format!("The parameter `{name}` {problem}"))
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::UnknownToken => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::TooFast { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::BadName(_) | Self::BadCollection | Self::BadParameter(_) => StatusCode::BAD_REQUEST,
            Self::NotFound | Self::NoSuchPath(_) => StatusCode::NOT_FOUND,
            Self::NotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unavailable { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    const fn code(&self) -> &'static str {
        match self {
            Self::NoToken | Self::UnknownToken => "authentication_error",
            Self::Forbidden { .. } => "forbidden",
            Self::TooFast { .. } => "rate_limit_error",
            Self::BadName(_) | Self::BadCollection => "validation_error",
            Self::BadParameter(_) | Self::NotAllowed(_) => "invalid_request_error",
            Self::NotFound | Self::NoSuchPath(_) => "not_found",
            Self::Busy { .. } => "unavailable",
            Self::Unavailable { .. } => "internal_error",
        }
    }

    fn wait(&self) -> Option<Duration> {
        match self {
            Self::TooFast { wait, .. } | Self::Busy { wait } => Some(*wait),
            _ => None,
        }
    }
}

impl From<NotAProfileName> for Refusal {
    fn from(error: NotAProfileName) -> Self {
        Self::BadName(error.to_string())
    }
}

impl From<PathRejection> for Refusal {
    fn from(rejection: PathRejection) -> Self {
        Self::BadName(rejection.body_text())
    }
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Self {
        let text = rejection.body_text();
        let twice = text.split_once("duplicate field `").and_then(|(_, rest)| rest.split_once('`'));
        match twice {
            Some((name, _)) => Self::bad_parameter(name, "is there twice; send it once"),
            None => Self::BadParameter(text),
        }
    }
}

impl From<LookupError> for Refusal {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::Port(fault) => fault.into(),
            LookupError::Stored(_) => Self::Unavailable { cause: error.to_string() },
        }
    }
}

impl From<PortError> for Refusal {
    fn from(fault: PortError) -> Self {
        match fault.kind {
            FaultKind::Busy => Self::Busy { wait: fault.retry_after.unwrap_or(USUAL_WAIT) },
            FaultKind::Missing | FaultKind::Stale | FaultKind::Refused | FaultKind::Broken => {
                Self::Unavailable { cause: fault.to_string() }
            }
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = ProfileError)]
pub(super) struct RefusalView {
    error: ErrorView,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ProfileErrorDetail)]
struct ErrorView {
    /// `authentication_error`, `forbidden`, `rate_limit_error`, `validation_error`, `invalid_request_error`, `not_found`,
    /// `unavailable` or `internal_error`.
    code: &'static str,
    message: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if let Self::Unavailable { cause } = &self {
            tracing::error!(code = self.code(), "a profile can't be read: {cause}");
        }
        metrics::counter!("cdp_requests_refused_total", "code" => self.code()).increment(1);
        let view = RefusalView { error: ErrorView { code: self.code(), message: self.to_string() } };
        let mut response = (self.status(), Json(view)).into_response();
        if let Some(wait) = self.wait() {
            put_wait(response.headers_mut(), wait);
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static(r#"Bearer realm="profiles", Basic realm="profiles""#);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
