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

use super::history::HistoryFault;
use crate::rate::{put_wait, whole_seconds};

/// Where a port does not say how long to wait.
const USUAL_WAIT: Duration = Duration::from_secs(1);
/// A question that took too long is no cheaper when it is asked again at once.
const SLOW_WAIT: Duration = Duration::from_secs(60);

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
    #[error(
        "the tables did not answer within {} s; ask for less time with `start` and `end`, or again after {} s",
        whole_seconds(*waited),
        whole_seconds(SLOW_WAIT)
    )]
    Slow { waited: Duration },
    /// The cause is for the log.
    #[error("the profile can't be read; ask again later")]
    Unavailable { cause: String },
    /// Likewise.
    #[error("the events can't be read from the tables; ask for less time with `start` and `end`, or again later")]
    NoHistory { cause: String },
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
            Self::Slow { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::Unavailable { .. } | Self::NoHistory { .. } => StatusCode::INTERNAL_SERVER_ERROR,
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
            Self::Slow { .. } => "timeout",
            Self::Unavailable { .. } | Self::NoHistory { .. } => "internal_error",
        }
    }

    /// What the caller is not told, or can do little about.
    fn log(&self) {
        let code = self.code();
        match self {
            Self::Unavailable { cause } => tracing::error!(code, "a profile can't be read: {cause}"),
            Self::NoHistory { cause } => tracing::error!(code, "a person's events can't be read: {cause}"),
            Self::Slow { waited } => {
                tracing::warn!(code, waited_s = waited.as_secs(), "a person's events take too long to read");
            }
            _ => {}
        }
    }

    fn wait(&self) -> Option<Duration> {
        match self {
            Self::TooFast { wait, .. } | Self::Busy { wait } => Some(*wait),
            Self::Slow { .. } => Some(SLOW_WAIT),
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

impl From<HistoryFault> for Refusal {
    fn from(fault: HistoryFault) -> Self {
        match fault {
            HistoryFault::Slow { waited } => Self::Slow { waited },
            HistoryFault::Port(fault) if fault.kind == FaultKind::Busy => fault.into(),
            HistoryFault::Port(fault) => Self::NoHistory { cause: fault.to_string() },
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
    /// `unavailable`, `timeout` or `internal_error`.
    code: &'static str,
    message: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.log();
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
