//! Around every request: an id, a log line without body or tokens, and a measurement.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use cdp_ports::Chance;

use crate::{Refusal, profiles};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_REQUEST_ID_CHARS: usize = 128;

/// As the caller chose it, or made here. Handlers find it in the request's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// In the form of a UUID (version 4), which AWS SDKs expect.
    pub(crate) fn new(high: u64, low: u64) -> Self {
        let high = (high & !0xf000) | 0x4000;
        let low = (low & !(0b11 << 62)) | (0b10 << 62);
        let mut text = String::with_capacity(36);
        // Writing to a string can't fail.
        let _ = write!(
            text,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        );
        Self(HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("unknown")))
    }

    fn sent(request: &Request) -> Option<Self> {
        let id = request.headers().get(&REQUEST_ID)?;
        let is_fit = (1..=MAX_REQUEST_ID_CHARS).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic);
        is_fit.then(|| Self(id.clone()))
    }

    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or("unknown")
    }

    pub(crate) fn to_header(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// Why an answer is no success: left in the response's extensions by whoever refused.
#[derive(Clone, Debug)]
pub(crate) struct Reason {
    pub code: &'static str,
    /// What went wrong on our side; not told to the client.
    pub cause: Option<String>,
}

/// Puts the common manners around `routes`, also around paths and methods that none of them knows.
pub(crate) fn observed(routes: Router, chance: Arc<dyn Chance>) -> Router {
    routes.fallback(no_such_path).method_not_allowed_fallback(not_allowed).layer(from_fn_with_state(chance, observe))
}

/// In the form that callers of paths like this one expect.
async fn no_such_path(request: Request) -> Response {
    match request.uri().path() {
        path if profiles::is_ours(path) => profiles::no_such_path(&request),
        path => Refusal::NotFound(short(path)).into_response(),
    }
}

pub(crate) async fn not_allowed(request: Request) -> Refusal {
    Refusal::NotAllowed(format!("{} {}", request.method(), short(request.uri().path())))
}

async fn observe(State(chance): State<Arc<dyn Chance>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::sent(&request).unwrap_or_else(|| RequestId::new(chance.draw(), chance.draw()));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(id.clone());

    let mut response = next.run(request).await;

    response.headers_mut().insert(REQUEST_ID, id.to_header());
    // An unknown path is no route: a scanner would make a time series of each of its guesses.
    let route = route.as_ref().map_or("unknown", MatchedPath::as_str);
    let took = started.elapsed();
    let labels = [("route", route.to_owned()), ("status", response.status().as_str().to_owned())];
    metrics::histogram!("cdp_request_seconds", &labels).record(took);
    if let Some(reason) = response.extensions().get::<Reason>() {
        metrics::counter!("cdp_requests_refused_total", "code" => reason.code).increment(1);
    }
    log(&id, &format!("{method} {route}"), &response, took.as_micros() as u64);
    response
}

fn log(id: &RequestId, call: &str, response: &Response, took_us: u64) {
    let (id, status) = (id.as_str(), response.status().as_u16());
    match response.extensions().get::<Reason>() {
        Some(Reason { code, cause: Some(cause) }) => {
            tracing::error!(request.id = id, status, code, took_us, "{call} failed with {status} {code}: {cause}");
        }
        Some(Reason { code, cause: None }) => {
            tracing::info!(request.id = id, status, code, took_us, "{call} refused with {status} {code}");
        }
        None => tracing::debug!(request.id = id, status, took_us, "{call} answered {status}"),
    }
}

/// As much of a path as a message tells.
pub(crate) fn short(path: &str) -> String {
    path.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_id_is_a_uuid_of_version_4() {
        assert_eq!(RequestId::new(0, 0).as_str(), "00000000-0000-4000-8000-000000000000");
        assert_eq!(RequestId::new(u64::MAX, u64::MAX).as_str(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
