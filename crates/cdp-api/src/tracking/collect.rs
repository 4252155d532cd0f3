//! Collect: a call's events go into the stream, each in an envelope that says who sent it and when.

use std::borrow::Cow;

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use cdp_event::{Envelope, EventKind, Offset, RawEvent, Timestamp};
use cdp_ports::{NewRecord, Stream};
use serde::Serialize;
use utoipa::ToSchema;

use super::call::{Call, partition_key};
use super::verdict::Verdict;
use super::write_key::source_of;
use crate::state::KnownSource;
use crate::{Api, Limits, Refusal, body};

#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// The body is one event; the path names its kind.
    Single(EventKind),
    Batch,
}

/// Every event is durable.
pub(super) struct Taken {
    verdicts: Option<Vec<Verdict>>,
}

pub(super) async fn collect<S: Stream>(api: &Api<S>, shape: Shape, request: Request) -> Result<Taken, Refusal> {
    let (parts, body) = request.into_parts();
    let body = body::read_inflated(&parts.headers, body, &api.limits).await?;
    let received_at = api.now();
    let call = match shape {
        Shape::Single(_) => Call::single(&body)?,
        Shape::Batch => Call::batch(&body)?,
    };
    let source = source_of(api, &parts.headers, call.write_key.as_deref())?;
    check_limits(&call, shape, &api.limits)?;
    if let Some(Err(wait)) = source.rate.as_ref().map(|rate| rate.take(call.events.len())) {
        return Err(Refusal::TooFast { source_name: source.name.clone(), wait });
    }

    let envelope = envelope_of(&call, shape, source, received_at);
    let records = records_of(&call, &envelope, api.limits.record_bytes)?;
    let verdicts = wants_verdicts(&parts.headers, &parts.uri)
        .then(|| call.events.iter().map(|event| Verdict::of(&raw_event(&envelope, event))).collect());
    if !records.is_empty() {
        api.stream.append(records, received_at).await?;
    }
    count(source, &call);
    Ok(Taken { verdicts })
}

fn check_limits(call: &Call<'_>, shape: Shape, limits: &Limits) -> Result<(), Refusal> {
    if call.events.len() > limits.batch_events {
        return Err(Refusal::TooManyEvents { events: call.events.len(), limit: limits.batch_events });
    }
    match (shape, call.events.first()) {
        (Shape::Single(_), Some(event)) if event.len() > limits.event_bytes => Err(Refusal::EventTooLarge {
            what: "the event".to_owned(),
            bytes: event.len(),
            limit_bytes: limits.event_bytes,
        }),
        _ => Ok(()),
    }
}

fn envelope_of(call: &Call<'_>, shape: Shape, source: &KnownSource, received_at: Timestamp) -> Envelope {
    Envelope {
        source: source.name.clone(),
        received_at,
        sent_at: call.sent_at,
        kind: match shape {
            Shape::Single(kind) => Some(kind),
            Shape::Batch => None,
        },
        context: call.context.map(str::to_owned),
    }
}

fn records_of(call: &Call<'_>, envelope: &Envelope, limit_bytes: usize) -> Result<Vec<NewRecord>, Refusal> {
    let mut records = Vec::with_capacity(call.events.len());
    for (at, event) in call.events.iter().enumerate() {
        let partition_key = partition_key(event);
        let data = envelope.wrap(event.as_bytes());
        if data.len() + partition_key.len() > limit_bytes {
            return Err(Refusal::EventTooLarge { what: format!("event {at}"), bytes: event.len(), limit_bytes });
        }
        records.push(NewRecord { partition_key, explicit_hash_key: None, data: data.into() });
    }
    Ok(records)
}

/// The event as it will come out of the stream.
fn raw_event<'a>(envelope: &'a Envelope, event: &'a str) -> RawEvent<'a> {
    RawEvent {
        offset: Offset::default(),
        source: Cow::Borrowed(&envelope.source),
        received_at: envelope.received_at,
        sent_at: envelope.sent_at,
        kind: envelope.kind,
        context: envelope.context.as_deref().map(Cow::Borrowed),
        bytes: event.as_bytes(),
    }
}

fn wants_verdicts(headers: &HeaderMap, uri: &Uri) -> bool {
    let in_header = headers.get("x-cdp-verdicts").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    in_header || uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "verdicts=true"))
}

fn count(source: &KnownSource, call: &Call<'_>) {
    let bytes: usize = call.events.iter().map(|event| event.len()).sum();
    metrics::counter!("cdp_events_taken_total", "source" => source.name.clone()).increment(call.events.len() as u64);
    metrics::counter!("cdp_event_bytes_total", "source" => source.name.clone()).increment(bytes as u64);
}

/// What a call is answered.
#[derive(Serialize, ToSchema)]
#[schema(as = Taken)]
pub(super) struct VerdictsView {
    success: bool,
    /// One for each event, in their order. Absent unless they were asked for.
    #[schema(required = false)]
    verdicts: Vec<Verdict>,
}

impl IntoResponse for Taken {
    fn into_response(self) -> Response {
        match self.verdicts {
            None => ([(header::CONTENT_TYPE, "application/json")], r#"{"success":true}"#).into_response(),
            Some(verdicts) => Json(VerdictsView { success: true, verdicts }).into_response(),
        }
    }
}
