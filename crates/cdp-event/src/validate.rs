//! Validation: an event of the Segment spec, or a rejection that names the field and the remedy.
//!
//! Each byte is looked at a few times at most: once as UTF-8, once by the outer parse, which leaves `properties`, `traits`
//! and `context` as they stand, and once more inside those three for the few fields that are needed from them.

mod body;
mod times;

mod context;
mod found;

mod explain;

use std::borrow::Cow;

use serde_json::value::RawValue;
use xxhash_rust::xxh3::Xxh3;

use self::body::{Body, PropertyFields, TraitFields, fields_of};
use self::context::{InContext, with_shared};
use self::explain::explain;
use self::found::{Found, alias_of};
use self::times::Times;
use crate::event::Facts;
use crate::json::{Text, depth_exceeds, lone_surrogate};
use crate::{Event, EventKind, Namespace, RawEvent, Reason, Rejection};

pub const MAX_EVENT_BYTES: usize = 32 * 1024;
const MAX_DEPTH: usize = 64;
const MAX_MESSAGE_ID_CHARS: usize = 100;

pub fn validate<'a>(raw: &RawEvent<'a>) -> Result<Event<'a>, Rejection> {
    let text = check_bytes(raw.bytes)?;
    let body: Body<'a> = serde_json::from_str(text).map_err(|error| explain(&error, text))?;

    let kind = kind_of(body.kind.0.as_deref(), raw.kind)?;
    let properties = object("properties", body.properties)?;
    let traits = object("traits", body.traits)?;
    let context = with_shared(object("context", body.context)?, raw.context.as_deref())?;

    let user_id = identifier_text("userId", body.user_id)?;
    let anonymous_id = identifier_text("anonymousId", body.anonymous_id)?;
    let group_id = identifier_text("groupId", body.group_id)?;
    let previous_id = identifier_text("previousId", body.previous_id)?;
    let event = body.event.0.filter(|name| !name.trim().is_empty());
    require(kind, &event, &group_id, &previous_id)?;
    if user_id.is_none() && anonymous_id.is_none() {
        return Err(Rejection::of("userId", Reason::NoIdentifier, "neither `userId` nor `anonymousId` has a value"));
    }

    let times = Times::read(body.timestamp, body.original_timestamp, body.sent_at, raw)?;
    let message_id = message_id(body.message_id.0, raw)?;

    let in_context = InContext::read(context.as_ref())?;
    let in_properties: PropertyFields<'a> = fields_of("properties", properties.map(RawValue::get))?;
    let in_traits: TraitFields<'a> = fields_of("traits", traits.map(RawValue::get))?;

    let mut found = Found::default();
    found.take("userId", Namespace::USER_ID, user_id.clone())?;
    found.take("anonymousId", Namespace::ANONYMOUS_ID, anonymous_id.clone())?;
    // A group's traits are the group's, not the person's.
    if kind != EventKind::Group {
        found.offer(Namespace::EMAIL, in_traits.email);
        found.offer(Namespace::PHONE, in_traits.phone);
    }
    found.offer(Namespace::EMAIL, in_properties.email);
    in_context.identifiers.into_iter().for_each(|identifier| found.keep(identifier));
    let alias = match kind {
        EventKind::Alias => alias_of(previous_id.as_deref(), anonymous_id.as_deref(), &mut found)?,
        EventKind::Track | EventKind::Identify | EventKind::Page | EventKind::Screen | EventKind::Group => None,
    };
    let facts = Facts {
        revenue: in_properties.revenue.0,
        currency: in_properties.currency.0,
        order_id: in_properties.order_id.0,
        ..in_context.facts
    };
    Ok(Event {
        offset: raw.offset,
        source: raw.source.clone(),
        kind,
        message_id,
        timestamp: times.happened,
        original_timestamp: times.original,
        sent_at: times.sent,
        received_at: raw.received_at,
        event,
        name: body.name.0,
        user_id,
        anonymous_id,
        group_id,
        previous_id,
        identifiers: found.identifiers,
        alias,
        facts,
        properties: properties.map(|json| Cow::Borrowed(json.get())),
        traits: traits.map(|json| Cow::Borrowed(json.get())),
        context,
    })
}

fn check_bytes(bytes: &[u8]) -> Result<&str, Rejection> {
    if bytes.len() > MAX_EVENT_BYTES {
        return Err(Rejection::new(Reason::TooLarge, format!("the event has {} bytes", bytes.len())));
    }
    let text = simdutf8::compat::from_utf8(bytes)
        .map_err(|error| Rejection::new(Reason::NotUtf8, format!("byte {} is not UTF-8", error.valid_up_to())))?;
    if !text.trim_start().starts_with('{') {
        return Err(Rejection::new(Reason::NotJson, "the record is not a JSON object"));
    }
    if depth_exceeds(bytes, MAX_DEPTH) {
        return Err(Rejection::new(Reason::TooDeep, format!("the event nests more than {MAX_DEPTH} deep")));
    }
    if let Some(at) = lone_surrogate(bytes) {
        return Err(Rejection::new(Reason::NotUtf8, format!("byte {at} escapes half of a character")));
    }
    Ok(text)
}

fn kind_of(sent: Option<&str>, of_request: Option<EventKind>) -> Result<EventKind, Rejection> {
    match (sent, of_request) {
        (Some(name), _) => name.parse().map_err(|error: crate::event::NotAnEventKind| {
            Rejection::of("type", Reason::UnknownType, error.to_string())
        }),
        (None, Some(kind)) => Ok(kind),
        (None, None) => Err(Rejection::of("type", Reason::MissingType, "the event has no `type`")),
    }
}

fn object<'a>(field: &str, json: Option<&'a RawValue>) -> Result<Option<&'a RawValue>, Rejection> {
    match json {
        Some(json) if json.get().starts_with('{') => Ok(Some(json)),
        Some(json) if json.get() == "null" => Ok(None),
        Some(_) => Err(Rejection::of(field, Reason::WrongType, format!("`{field}` is not an object"))),
        None => Ok(None),
    }
}

fn identifier_text<'a>(field: &str, text: Text<'a>) -> Result<Option<Cow<'a, str>>, Rejection> {
    let Some(value) = text.0.filter(|value| !value.trim().is_empty()) else { return Ok(None) };
    if value.bytes().any(|b| b == 0) {
        return Err(Rejection::of(field, Reason::BadIdentifier, format!("`{field}` holds a NUL")));
    }
    Ok(Some(value))
}

fn require(
    kind: EventKind,
    event: &Option<Cow<'_, str>>,
    group_id: &Option<Cow<'_, str>>,
    previous_id: &Option<Cow<'_, str>>,
) -> Result<(), Rejection> {
    let missing = |field, reason| Err(Rejection::of(field, reason, format!("a {kind} event has no `{field}`")));
    match kind {
        EventKind::Track if event.is_none() => missing("event", Reason::MissingEvent),
        EventKind::Group if group_id.is_none() => missing("groupId", Reason::MissingGroupId),
        EventKind::Alias if previous_id.is_none() => missing("previousId", Reason::MissingPreviousId),
        EventKind::Track
        | EventKind::Identify
        | EventKind::Page
        | EventKind::Screen
        | EventKind::Group
        | EventKind::Alias => Ok(()),
    }
}

fn message_id<'a>(sent: Option<Cow<'a, str>>, raw: &RawEvent<'_>) -> Result<Cow<'a, str>, Rejection> {
    let Some(id) = sent.filter(|id| !id.trim().is_empty()) else {
        return Ok(Cow::Owned(id_of_position(raw)));
    };
    if id.len() > MAX_MESSAGE_ID_CHARS && id.chars().count() > MAX_MESSAGE_ID_CHARS {
        let detail = format!("`messageId` has {} characters", id.chars().count());
        return Err(Rejection::of("messageId", Reason::BadMessageId, detail));
    }
    Ok(id)
}

/// The same for each delivery of a record. An offset is unique in its partition only, so content and time are in it too.
fn id_of_position(raw: &RawEvent<'_>) -> String {
    let mut hasher = Xxh3::new();
    hasher.update(&raw.received_at.as_ms().to_le_bytes());
    hasher.update(raw.bytes);
    format!("pos-{}-{:016x}", raw.offset, hasher.digest())
}
