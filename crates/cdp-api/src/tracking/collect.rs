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

use super::call::Call;
use super::verdict::Verdict;
use super::write_key::source_of;
use crate::records::{count, partition_key, record_of};
use crate::state::KnownSource;
use crate::{Api, Limits, Refusal, body};

#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// The body is one event; the path names its kind.
    Single(EventKind),
    Batch,
}

/// Every event is durable.
pub(crate) struct Taken {
    verdicts: Option<Vec<Verdict>>,
}

impl Taken {
    /// Nobody asked for verdicts.
    pub const fn without_verdicts() -> Self {
        Self { verdicts: None }
    }
}

pub(super) async fn collect<S: Stream>(api: &Api<S>, shape: Shape, request: Request) -> Result<Taken, Refusal> {
    let (parts, body) = request.into_parts();
    let wants_verdicts = wants_verdicts(&parts.headers, &parts.uri)?;
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
    let record = |event: &&str| record_of(&envelope, partition_key(event), event.as_bytes(), api.limits.record_bytes);
    let records: Vec<NewRecord> = call.events.iter().map(record).collect();
    let verdicts =
        wants_verdicts.then(|| call.events.iter().map(|event| Verdict::of(&raw_event(&envelope, event))).collect());
    if !records.is_empty() {
        api.stream.append(records, received_at).await?;
    }
    count(&source.name, call.events.iter().map(|event| event.len()));
    Ok(Taken { verdicts })
}

fn check_limits(call: &Call<'_>, shape: Shape, limits: &Limits) -> Result<(), Refusal> {
    if call.events.len() > limits.batch_events {
        return Err(Refusal::TooManyEvents { events: call.events.len(), limit: limits.batch_events });
    }
    match shape {
        Shape::Single(_) => check_event(call, limits),
        Shape::Batch => check_shared(call, limits),
    }
}

fn check_event(call: &Call<'_>, limits: &Limits) -> Result<(), Refusal> {
    let limit_bytes = limits.event_bytes;
    let too_large = call.events.iter().map(|event| event.len()).find(|bytes| *bytes > limit_bytes);
    too_large.map_or(Ok(()), |bytes| Err(Refusal::EventTooLarge { bytes, limit_bytes }))
}

/// Each event carries what the batch shares: a small body must not become a large one.
fn check_shared(call: &Call<'_>, limits: &Limits) -> Result<(), Refusal> {
    let (bytes, events) = (call.context.map_or(0, str::len), call.events.len());
    let is_sound = bytes <= limits.event_bytes && bytes.saturating_mul(events) <= limits.shared_bytes;
    let problem = || format!("has {bytes} bytes for each of {events} events");
    let remedy = "share less, or send fewer events in a request";
    if is_sound { Ok(()) } else { Err(Refusal::BadField { field: "context", problem: problem(), remedy }) }
}

fn envelope_of(call: &Call<'_>, shape: Shape, source: &KnownSource, received_at: Timestamp) -> Envelope {
    Envelope {
        sent_at: call.sent_at,
        kind: match shape {
            Shape::Single(kind) => Some(kind),
            Shape::Batch => None,
        },
        context: call.context.map(str::to_owned),
        ..Envelope::new(source.name.clone(), received_at)
    }
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

/// By the header or the query. Nobody who asked in other words is left to wonder why there are none.
fn wants_verdicts(headers: &HeaderMap, uri: &Uri) -> Result<bool, Refusal> {
    let in_header = headers.get("x-cdp-verdicts").map(|value| ("x-cdp-verdicts", value.as_bytes()));
    let pairs = uri.query().into_iter().flat_map(|query| query.split('&'));
    let named = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).filter(|(name, _)| *name == "verdicts");
    let in_query = named.map(|(_, value)| ("verdicts", value.as_bytes()));
    let asked = in_header.into_iter().chain(in_query).map(|(field, value)| yes_or_no(field, value));
    asked.collect::<Result<Vec<bool>, _>>().map(|asked| asked.contains(&true))
}

fn yes_or_no(field: &'static str, value: &[u8]) -> Result<bool, Refusal> {
    let is = |word: &[u8]| value.eq_ignore_ascii_case(word);
    match (is(b"true"), is(b"false")) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        (false, false) => {
            let problem = "is neither `true` nor `false`".to_owned();
            Err(Refusal::BadField { field, problem, remedy: "use `true` to be told a verdict on each event" })
        }
    }
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
