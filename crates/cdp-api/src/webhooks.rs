//! Webhooks: third parties call, and what they sign becomes events.
//!
//! A call that is believed is answered with success once it is durable, whatever is in it. A payload, or a row of it, that
//! can't be mapped goes through the stream with the reason, and into quarantine with its bytes: a sender could do nothing
//! about it, and the mapping can be mended. A sender tries again after any other answer.

mod documented;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::HeaderMap;
use axum::routing::post;
use bytes::Bytes;
use cdp_event::{Decoded, Envelope};
use cdp_ports::{FaultKind, NewRecord, PortError, Stream};
use cdp_webhooks::Headers;

use crate::records::{count, digest, partition_key, record_of};
use crate::tracking::Taken;
use crate::{Api, Limits, Refusal, body};
pub(crate) use documented::Documented;

const PATH: &str = "/v1/webhooks/{source}";

pub(crate) fn routes<S: Stream + 'static>() -> Router<Arc<Api<S>>> {
    Router::new().route(PATH, post(take))
}

async fn take<S: Stream>(
    State(api): State<Arc<Api<S>>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Taken, Refusal> {
    let (parts, body) = request.into_parts();
    // A name that can't be decoded is unknown too.
    let name = path.map_or_else(|_| String::new(), |Path(name)| name);
    let webhook = api.webhook(&name).ok_or_else(|| Refusal::UnknownWebhook(name.chars().take(64).collect()))?;
    let body = read(body, &api.limits).await?;
    let (headers, now) = (headers(&parts.headers), api.now());
    webhook.verify(&headers, &body, now)?;

    let batch = webhook.events(&headers, &body, api.limits.batch_events);
    let rows = batch.decoded(&name, now);
    let sizes: Vec<usize> =
        rows.iter().map(|row| row.event.as_ref().map_or(row.bytes, |event| event.bytes).len()).collect();
    let records: Vec<NewRecord> = rows.into_iter().map(|row| record(row, api.limits.record_bytes)).collect();
    if !records.is_empty() {
        api.stream.append(records, now).await.map_err(refusal)?;
    }
    count(&name, sizes.into_iter());
    Ok(Taken::without_verdicts())
}

/// As it came: its signature is of these bytes.
async fn read(body: axum::body::Body, limits: &Limits) -> Result<Bytes, Refusal> {
    body::read(body, limits.request_bytes, limits).await.map_err(|refusal| match refusal {
        Refusal::RequestTooLarge { limit_bytes } => Refusal::PayloadTooLarge { limit_bytes },
        other => other,
    })
}

fn headers(headers: &HeaderMap) -> Headers<'_> {
    Headers::of(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
}

fn record(row: Decoded<'_>, limit_bytes: usize) -> NewRecord {
    let (bytes, refused) = match row.event {
        Ok(event) => (event.bytes, None),
        Err(rejection) => (row.bytes, Some(rejection)),
    };
    let envelope = Envelope { refused, ..Envelope::new(row.source.into_owned(), row.arrived_at) };
    let partition_key = std::str::from_utf8(bytes).map_or_else(|_| digest(bytes), partition_key);
    record_of(&envelope, partition_key, bytes, limit_bytes)
}

/// Senders try again after a 5xx, and some take a 429 for a reason to stop.
fn refusal(error: PortError) -> Refusal {
    match (error.kind, Refusal::from(error)) {
        (FaultKind::Busy, Refusal::Busy { wait }) => Refusal::BusyForNow { wait },
        (_, other) => other,
    }
}
