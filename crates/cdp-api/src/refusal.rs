//! Why a request is turned away, and what its sender should do: the one place that decides status, code and remedy.
//!
//! SDKs drop what is answered with 4xx, except 408 and 429. So a 4xx is kept for what can't pass later either.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cdp_ports::{FaultKind, PortError};
use cdp_webhooks::NotSigned;
use serde::Serialize;
use utoipa::ToSchema;

use crate::rate::{put_wait, whole_seconds};
use crate::requests::Reason;

/// Where a port does not say how long to wait.
const USUAL_WAIT: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("the body is not JSON: {0}; send one JSON object in UTF-8")]
    NotJson(String),
    #[error("`{field}` {problem}; {remedy}")]
    BadField { field: &'static str, problem: String, remedy: &'static str },
    #[error("the body's content encoding {0:?} is not known; send it plain or with gzip")]
    UnknownEncoding(String),
    #[error("the body can't be inflated: {0}; send one whole gzip stream")]
    BadGzip(String),
    #[error("the body has more than {limit_bytes} bytes; send fewer events in a request")]
    RequestTooLarge { limit_bytes: usize },
    #[error("the body inflates to more than {limit_bytes} bytes; send fewer events in a request")]
    InflatedTooLarge { limit_bytes: usize },
    #[error("`batch` has {events} events; send at most {limit} in a request")]
    TooManyEvents { events: usize, limit: usize },
    #[error("the event has {bytes} bytes; send at most {limit_bytes}, and large values by reference")]
    EventTooLarge { bytes: usize, limit_bytes: usize },
    #[error("there is no write key; send it as the user name of basic authentication, or as `writeKey` in the body")]
    NoWriteKey,
    #[error("the write key is not known; use the `write_key` of a source of this deployment")]
    UnknownWriteKey,
    #[error("there is no webhook {0:?} here; call the one that cdp.toml names in [webhooks]")]
    UnknownWebhook(String),
    #[error(transparent)]
    NotSigned(#[from] NotSigned),
    #[error("the payload has more than {limit_bytes} bytes; send less in a call")]
    PayloadTooLarge { limit_bytes: usize },
    #[error("there is no {0} here; the API's paths begin with /v1/")]
    NotFound(String),
    #[error("{0} can't be done here; see the answer's `allow` header")]
    NotAllowed(String),
    #[error("the body did not arrive in time; send it again")]
    Slow,
    #[error("the connection broke before the body had arrived; send it again")]
    Broken,
    #[error("source {source_name} sends faster than its limit; send again after {} s", whole_seconds(*wait))]
    TooFast { source_name: String, wait: Duration },
    #[error("the stream is busy; send again after {} s", whole_seconds(*wait))]
    Busy { wait: Duration },
    /// As a webhook's sender is told it, which takes 429 for a limit of its own.
    #[error("the stream is busy; send again after {} s", whole_seconds(*wait))]
    BusyForNow { wait: Duration },
    /// The cause is for the log: a producer can do nothing about it.
    #[error("events can't be taken now; send again later")]
    Unavailable { cause: String },
    #[error("the stream refuses these records for good: {0}")]
    RefusedByStream(String),
}

impl Refusal {
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NotJson(_)
            | Self::BadField { .. }
            | Self::UnknownEncoding(_)
            | Self::BadGzip(_)
            | Self::RequestTooLarge { .. }
            | Self::InflatedTooLarge { .. }
            | Self::TooManyEvents { .. }
            | Self::EventTooLarge { .. }
            | Self::RefusedByStream(_) => StatusCode::BAD_REQUEST,
            Self::NoWriteKey | Self::UnknownWriteKey | Self::NotSigned(_) => StatusCode::UNAUTHORIZED,
            Self::NotFound(_) | Self::UnknownWebhook(_) => StatusCode::NOT_FOUND,
            Self::PayloadTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Slow | Self::Broken => StatusCode::REQUEST_TIMEOUT,
            Self::TooFast { .. } | Self::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::BusyForNow { .. } | Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotJson(_) => "not_json",
            Self::BadField { .. } => "bad_field",
            Self::UnknownEncoding(_) => "unknown_encoding",
            Self::BadGzip(_) => "bad_gzip",
            Self::RequestTooLarge { .. } => "request_too_large",
            Self::InflatedTooLarge { .. } => "inflated_too_large",
            Self::TooManyEvents { .. } => "too_many_events",
            Self::EventTooLarge { .. } => "event_too_large",
            Self::NoWriteKey => "no_write_key",
            Self::UnknownWriteKey => "unknown_write_key",
            Self::UnknownWebhook(_) => "unknown_webhook",
            Self::NotSigned(NotSigned::Stale { .. }) => "stale_signature",
            Self::NotSigned(NotSigned::Wrong) => "wrong_signature",
            Self::NotSigned(NotSigned::NoHeader(_) | NotSigned::Unreadable { .. } | NotSigned::NoTime(_)) => {
                "no_signature"
            }
            Self::PayloadTooLarge { .. } => "payload_too_large",
            Self::NotFound(_) => "not_found",
            Self::NotAllowed(_) => "not_allowed",
            Self::Slow => "body_too_slow",
            Self::Broken => "body_broken_off",
            Self::TooFast { .. } => "too_fast",
            Self::Busy { .. } | Self::BusyForNow { .. } => "stream_busy",
            Self::Unavailable { .. } => "unavailable",
            Self::RefusedByStream(_) => "refused_by_stream",
        }
    }

    fn cause(self) -> Option<String> {
        match self {
            Self::Unavailable { cause } => Some(cause),
            _ => None,
        }
    }

    fn wait(&self) -> Option<Duration> {
        match self {
            Self::TooFast { wait, .. } | Self::Busy { wait } | Self::BusyForNow { wait } => Some(*wait),
            Self::Unavailable { .. } => Some(USUAL_WAIT),
            _ => None,
        }
    }
}

/// What a fault of the stream means for whoever sent the events.
impl From<PortError> for Refusal {
    fn from(error: PortError) -> Self {
        match error.kind {
            FaultKind::Busy => Self::Busy { wait: error.retry_after.unwrap_or(USUAL_WAIT) },
            FaultKind::Refused => Self::RefusedByStream(error.to_string()),
            FaultKind::Missing | FaultKind::Stale | FaultKind::Broken => Self::Unavailable { cause: error.to_string() },
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Refusal)]
pub(crate) struct RefusalView<'a> {
    /// Stays as it is, for programs.
    code: &'a str,
    /// What is wrong, and what to do, for people.
    message: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let view = RefusalView { code: self.code(), message: self.to_string() };
        let mut response = (self.status(), Json(view)).into_response();
        if let Some(wait) = self.wait() {
            put_wait(response.headers_mut(), wait);
        }
        response.extensions_mut().insert(Reason { code: self.code(), cause: self.cause() });
        response
    }
}
