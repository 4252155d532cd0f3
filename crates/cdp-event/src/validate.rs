//! Validation: an event of the Segment spec, or a rejection that names the field and the remedy.
//!
//! Each byte is looked at twice: once as UTF-8, once as JSON, which keeps `properties`, `traits` and `context` as they stand
//! and finds the few fields that are needed of them on its way.

mod body;
mod times;

mod context;
mod found;

use std::borrow::Cow;

use xxhash_rust::xxh3::Xxh3;

use self::body::Body;
use self::context::InContext;
use self::found::{Found, alias_of};
use self::times::Times;
use crate::event::Facts;
use crate::json::lone_surrogate;
use crate::kpl::KPL_MAGIC;
use crate::{Event, EventKind, Namespace, RawEvent, Reason, Rejection};

pub const MAX_EVENT_BYTES: usize = 32 * 1024;
const MAX_MESSAGE_ID_CHARS: usize = 100;

pub fn validate<'a>(raw: &RawEvent<'a>) -> Result<Event<'a>, Rejection> {
    let text = check_bytes(raw.bytes)?;
    let body: Body<'a> = Body::read(text)?;

    let kind = kind_of(body.kind.get().as_deref(), raw.kind)?;
    let user_id = identifier_text("userId", body.user_id.get())?;
    let anonymous_id = identifier_text("anonymousId", body.anonymous_id.get())?;
    let group_id = identifier_text("groupId", body.group_id.get())?;
    let previous_id = identifier_text("previousId", body.previous_id.get())?;
    let event = body.event.get().filter(|name| !name.trim().is_empty());
    require(kind, &event, &group_id, &previous_id)?;
    if user_id.is_none() && anonymous_id.is_none() {
        return Err(Rejection::of("userId", Reason::NoIdentifier, "neither `userId` nor `anonymousId` has a value"));
    }

    let times = Times::read(body.timestamp.get(), body.original_timestamp.get(), body.sent_at.get(), raw)?;
    let message_id = message_id(body.message_id.get(), raw)?;

    let in_context = InContext::read(body.context.get(), raw.context.as_deref())?;
    let (properties, traits) = (body.properties.get(), body.traits.get());

    let mut found = Found::default();
    found.take("userId", Namespace::USER_ID, user_id.clone())?;
    found.take("anonymousId", Namespace::ANONYMOUS_ID, anonymous_id.clone())?;
    // A group's traits are the group's, not the person's.
    if kind != EventKind::Group {
        found.offer(Namespace::EMAIL, traits.fields.email.get());
        found.offer(Namespace::PHONE, traits.fields.phone.get());
    }
    found.offer(Namespace::EMAIL, properties.fields.email.get());
    in_context.identifiers.into_iter().for_each(|identifier| found.keep(identifier));
    let alias = match kind {
        EventKind::Alias => alias_of(previous_id.as_deref(), anonymous_id.as_deref(), &mut found)?,
        EventKind::Track | EventKind::Identify | EventKind::Page | EventKind::Screen | EventKind::Group => None,
    };
    let facts = Facts {
        revenue: properties.fields.revenue.get(),
        currency: properties.fields.currency.get(),
        order_id: properties.fields.order_id.get(),
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
        name: body.name.get(),
        user_id,
        anonymous_id,
        group_id,
        previous_id,
        identifiers: found.identifiers,
        alias,
        facts,
        properties: properties.json.map(Cow::Borrowed),
        traits: traits.json.map(Cow::Borrowed),
        context: in_context.json,
    })
}

fn check_bytes(bytes: &[u8]) -> Result<&str, Rejection> {
    if bytes.len() > MAX_EVENT_BYTES {
        return Err(Rejection::new(Reason::TooLarge, format!("the event has {} bytes", bytes.len())));
    }
    let text = simdutf8::compat::from_utf8(bytes)
        .map_err(|error| Rejection::new(Reason::NotUtf8, not_utf8(bytes, error.valid_up_to())))?;
    if !text.trim_start().starts_with('{') {
        return Err(Rejection::new(Reason::NotJson, "the record is not a JSON object"));
    }
    if let Some(at) = lone_surrogate(bytes) {
        return Err(Rejection::new(Reason::NotUtf8, format!("byte {at} escapes half of a character")));
    }
    Ok(text)
}

/// What it is, where its beginning tells.
fn not_utf8(bytes: &[u8], valid_up_to: usize) -> String {
    let known = match bytes {
        [0x1f, 0x8b, ..] => "it is gzip; a record of the stream is plain",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "it is zstd; a record of the stream is plain",
        _ if bytes.starts_with(&KPL_MAGIC) => {
            "it begins as a KPL aggregate, and its checksum or its content does not match"
        }
        _ => return format!("byte {valid_up_to} is not UTF-8"),
    };
    known.to_owned()
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

fn identifier_text<'a>(field: &str, text: Option<Cow<'a, str>>) -> Result<Option<Cow<'a, str>>, Rejection> {
    let Some(value) = text.filter(|value| !value.trim().is_empty()) else { return Ok(None) };
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
    let missing = |field, reason| {
        let detail = format!("{} event has no `{field}`", with_article(kind));
        Err(Rejection::of(field, reason, detail))
    };
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

const fn with_article(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Track => "a track",
        EventKind::Identify => "an identify",
        EventKind::Page => "a page",
        EventKind::Screen => "a screen",
        EventKind::Group => "a group",
        EventKind::Alias => "an alias",
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
