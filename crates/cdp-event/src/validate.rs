//! Validation: an event of the Segment spec, or a rejection that names the field and the remedy.
//!
//! Each byte is looked at a few times at most: once as UTF-8, once by the outer parse, which leaves `properties`, `traits`
//! and `context` as they stand, and once more inside those three for the few fields that are needed from them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use xxhash_rust::xxh3::Xxh3;

use crate::event::Facts;
use crate::identifier::NotAnIdentifier;
use crate::json::{IsTrue, Maybe, MaybeNumber, MaybeText, Text, depth_exceeds, duplicate_key, lone_surrogate};
use crate::{Event, EventKind, Identifier, Namespace, RawEvent, Reason, Rejection, Timestamp};

pub const MAX_EVENT_BYTES: usize = 32 * 1024;
const MAX_DEPTH: usize = 64;
const MAX_MESSAGE_ID_CHARS: usize = 100;
/// More than any real event has; what is beyond is still in `context`.
const MAX_EXTERNAL_IDS: usize = 20;
/// How far ahead of our clock a corrected time stamp may be. Later ones would win every trait for ever.
const MAX_AHEAD_MS: i64 = 3_600_000;

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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    message_id: Text<'a>,
    #[serde(borrow, default)]
    user_id: Text<'a>,
    #[serde(borrow, default)]
    anonymous_id: Text<'a>,
    #[serde(borrow, default)]
    group_id: Text<'a>,
    #[serde(borrow, default)]
    previous_id: Text<'a>,
    #[serde(borrow, default)]
    event: Text<'a>,
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    timestamp: Text<'a>,
    #[serde(borrow, default)]
    original_timestamp: Text<'a>,
    #[serde(borrow, default)]
    sent_at: Text<'a>,
    #[serde(borrow, default)]
    properties: Option<&'a RawValue>,
    #[serde(borrow, default)]
    traits: Option<&'a RawValue>,
    #[serde(borrow, default)]
    context: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ContextFields<'a> {
    #[serde(borrow)]
    traits: Maybe<TraitFields<'a>>,
    #[serde(borrow)]
    device: Maybe<Device<'a>>,
    #[serde(borrow)]
    page: Maybe<Page<'a>>,
    #[serde(borrow)]
    campaign: Maybe<Campaign<'a>>,
    #[serde(borrow)]
    library: Maybe<Library<'a>>,
    #[serde(borrow)]
    ip: MaybeText<'a>,
    #[serde(borrow)]
    locale: MaybeText<'a>,
    #[serde(borrow)]
    external_ids: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct TraitFields<'a> {
    #[serde(borrow)]
    email: MaybeText<'a>,
    #[serde(borrow)]
    phone: MaybeText<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PropertyFields<'a> {
    #[serde(borrow)]
    email: MaybeText<'a>,
    revenue: MaybeNumber,
    #[serde(borrow)]
    currency: MaybeText<'a>,
    #[serde(borrow)]
    order_id: MaybeText<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Device<'a> {
    #[serde(borrow)]
    id: MaybeText<'a>,
    #[serde(borrow, rename = "type")]
    kind: MaybeText<'a>,
    #[serde(borrow)]
    advertising_id: MaybeText<'a>,
    /// An advertising id counts only where the person's consent to it was sent.
    ad_tracking_enabled: IsTrue,
    #[serde(borrow)]
    token: MaybeText<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Page<'a> {
    #[serde(borrow)]
    url: MaybeText<'a>,
    #[serde(borrow)]
    path: MaybeText<'a>,
    #[serde(borrow)]
    referrer: MaybeText<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Campaign<'a> {
    #[serde(borrow)]
    name: MaybeText<'a>,
    #[serde(borrow)]
    source: MaybeText<'a>,
    #[serde(borrow)]
    medium: MaybeText<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Library<'a> {
    #[serde(borrow)]
    name: MaybeText<'a>,
}

#[derive(Deserialize)]
struct ExternalId<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    collection: MaybeText<'a>,
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

/// serde_json tells of syntax and of types in one error; a producer needs to know which, and where.
fn explain(error: &serde_json::Error, text: &str) -> Rejection {
    use serde_json::error::Category;
    let message = error.to_string();
    if message.starts_with("duplicate field") {
        return Rejection { reason: Reason::DuplicateKey, field: duplicate_key(text), detail: message };
    }
    // Such a number is sound JSON: no 64-bit float is as large.
    let is_huge_number = message.starts_with("number out of range");
    if error.classify() != Category::Data && !is_huge_number {
        return Rejection::new(Reason::NotJson, message);
    }
    let field = key_before(text, error.line(), error.column());
    Rejection { reason: Reason::WrongType, field, detail: message }
}

/// The last key before a place that serde_json names: `line` and `column` count from 1, columns in bytes.
fn key_before(text: &str, line: usize, column: usize) -> Option<String> {
    let line_begins: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let before = text.get(..line_begins.saturating_add(column).min(text.len()))?;
    before.rmatch_indices(':').find_map(|(colon, _)| {
        let key = before[..colon].trim_end().strip_suffix('"')?;
        Some(key[key.rfind('"')? + 1..].to_owned())
    })
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

fn fields_of<'a, T: Deserialize<'a> + Default>(field: &str, json: Option<&'a str>) -> Result<T, Rejection> {
    let Some(json) = json else { return Ok(T::default()) };
    serde_json::from_str(json).map_err(|error| {
        let inner = explain(&error, json);
        let path = inner.field.map_or_else(|| field.to_owned(), |key| format!("{field}.{key}"));
        Rejection { field: Some(path), ..inner }
    })
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

struct Times {
    happened: Timestamp,
    original: Option<Timestamp>,
    sent: Option<Timestamp>,
}

impl Times {
    /// The Segment spec's correction: `timestamp = receivedAt - (sentAt - originalTimestamp)`, so that a producer's wrong
    /// clock cancels out. An event that carries both time stamps was corrected before it came here.
    fn read(timestamp: Text<'_>, original: Text<'_>, sent: Text<'_>, raw: &RawEvent<'_>) -> Result<Self, Rejection> {
        let stated = moment("timestamp", timestamp)?;
        let original = moment("originalTimestamp", original)?;
        let sent = moment("sentAt", sent)?.or(raw.sent_at.filter(|sent| sent.is_in_range()));
        let happened = match (stated, original, sent) {
            (Some(corrected), Some(_), _) => corrected,
            (Some(clock), None, Some(sent)) | (None, Some(clock), Some(sent)) => {
                raw.received_at.plus_ms(clock.as_ms() - sent.as_ms())
            }
            (Some(clock), None, None) | (None, Some(clock), None) => clock,
            (None, None, _) => raw.received_at,
        };
        let happened = if happened > raw.received_at.plus_ms(MAX_AHEAD_MS) { raw.received_at } else { happened };
        Ok(Self {
            happened: happened.clamp(Timestamp::EARLIEST, Timestamp::LATEST),
            original: original.or(stated),
            sent,
        })
    }
}

fn moment(field: &str, text: Text<'_>) -> Result<Option<Timestamp>, Rejection> {
    let Some(text) = text.0 else { return Ok(None) };
    let bad = |detail: String| Rejection::of(field, Reason::BadTimestamp, detail);
    let moment: Timestamp = text.parse().map_err(|error: crate::NotATime| bad(error.to_string()))?;
    if moment.is_in_range() { Ok(Some(moment)) } else { Err(bad(format!("{text:?} is out of range"))) }
}

fn identifier<'a>(field: &str, namespace: Namespace, value: Cow<'a, str>) -> Result<Option<Identifier<'a>>, Rejection> {
    match Identifier::new(namespace, value) {
        Ok(identifier) => Ok(Some(identifier)),
        Err(NotAnIdentifier::Empty) => Ok(None),
        Err(error) => Err(Rejection::of(field, Reason::BadIdentifier, format!("`{field}`: {error}"))),
    }
}

/// The identifiers found so far, each once, in the order found.
#[derive(Default)]
struct Found<'a> {
    identifiers: Vec<Identifier<'a>>,
}

impl<'a> Found<'a> {
    /// An identifier that the event is about: a bad one is an error.
    fn take(&mut self, field: &str, namespace: Namespace, value: Option<Cow<'a, str>>) -> Result<(), Rejection> {
        let Some(value) = value else { return Ok(()) };
        if let Some(identifier) = identifier(field, namespace, value)? {
            self.keep(identifier);
        }
        Ok(())
    }

    /// A value that may serve as an identifier: a bad one stays a mere trait.
    fn offer(&mut self, namespace: Namespace, value: MaybeText<'a>) {
        if let Some(Ok(identifier)) = value.0.map(|value| Identifier::new(namespace, value)) {
            self.keep(identifier);
        }
    }

    fn keep(&mut self, identifier: Identifier<'a>) {
        if !self.identifiers.contains(&identifier) {
            self.identifiers.push(identifier);
        }
    }

    /// Only apps have device identifiers of their own; a browser's `device.id` is whatever the site made of it.
    fn offer_device(&mut self, device: Device<'a>) {
        let (id, advertising_id, push_token) = match device.kind.0.as_deref() {
            Some("ios") => (Namespace::IOS_ID, Namespace::IOS_IDFA, Namespace::IOS_PUSH_TOKEN),
            Some("android") => (Namespace::ANDROID_ID, Namespace::ANDROID_IDFA, Namespace::ANDROID_PUSH_TOKEN),
            Some(_) | None => return,
        };
        self.offer(id, device.id);
        if device.ad_tracking_enabled.0 {
            self.offer(advertising_id, device.advertising_id);
        }
        self.offer(push_token, device.token);
    }

    fn take_external(&mut self, json: Option<&'a RawValue>) -> Result<(), Rejection> {
        let Some(json) = json.filter(|json| json.get().starts_with('[')) else { return Ok(()) };
        let external: Vec<ExternalId<'a>> = serde_json::from_str(json.get())
            .map_err(|error| Rejection::of("context.externalIds", Reason::WrongType, error.to_string()))?;
        for id in external.into_iter().take(MAX_EXTERNAL_IDS) {
            let of_a_person = id.collection.0.as_deref().unwrap_or("users") == "users";
            let Some(Ok(namespace)) = id.kind.0.as_deref().map(str::parse::<Namespace>) else {
                let detail = "an external id has no `type` of a-z, 0-9, `_` and `.`";
                return Err(Rejection::of("context.externalIds", Reason::BadIdentifier, detail));
            };
            if of_a_person {
                self.take("context.externalIds", namespace, id.id.0)?;
            }
        }
        Ok(())
    }
}

/// `previousId` names a device or a user. It names a device where it repeats the event's `anonymousId`, or is a UUID, as
/// SDKs make them for devices: such a device is shared or rotated like any other, so it is an ordinary identifier. Else
/// it is the name that the same user had before.
fn alias_of<'a>(
    previous: Option<&str>,
    anonymous: Option<&str>,
    found: &mut Found<'a>,
) -> Result<Option<Identifier<'a>>, Rejection> {
    let Some(previous) = previous.filter(|previous| Some(*previous) != anonymous) else { return Ok(None) };
    if is_uuid(previous) {
        found.take("previousId", Namespace::ANONYMOUS_ID, Some(Cow::Owned(previous.to_owned())))?;
        return Ok(None);
    }
    let older = identifier("previousId", Namespace::USER_ID, Cow::Owned(previous.to_owned()))?;
    Ok(older.filter(|older| !found.identifiers.contains(older)))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The event's own context laid over what its whole request shared.
fn with_shared<'a>(own: Option<&'a RawValue>, shared: Option<&str>) -> Result<Option<Cow<'a, str>>, Rejection> {
    let Some(shared) = shared else { return Ok(own.map(|json| Cow::Borrowed(json.get()))) };
    let mut merged: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(shared).map_err(|error| {
        Rejection::of("context", Reason::BadEnvelope, format!("the request's context is not a JSON object: {error}"))
    })?;
    if let Some(own) = own {
        let own: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(own.get())
            .map_err(|error| Rejection { field: Some("context".to_owned()), ..explain(&error, own.get()) })?;
        merged.extend(own);
    }
    let merged = serde_json::to_string(&merged).map_err(|error| Rejection::new(Reason::NotJson, error.to_string()))?;
    Ok(Some(Cow::Owned(merged)))
}

/// What a context says of the person and of the circumstances.
#[derive(Default)]
struct InContext<'a> {
    identifiers: Vec<Identifier<'a>>,
    facts: Facts<'a>,
}

impl<'a> InContext<'a> {
    fn read(context: Option<&Cow<'a, str>>) -> Result<Self, Rejection> {
        match context {
            None => Ok(Self::default()),
            Some(Cow::Borrowed(sent)) => Self::of(sent),
            Some(Cow::Owned(merged)) => InContext::of(merged).map(InContext::into_owned),
        }
    }

    fn of(context: &'a str) -> Result<Self, Rejection> {
        let fields: ContextFields<'a> = fields_of("context", Some(context))?;
        let mut found = Found::default();
        if let Some(person) = fields.traits.0 {
            found.offer(Namespace::EMAIL, person.email);
            found.offer(Namespace::PHONE, person.phone);
        }
        let device_type = fields.device.0.as_ref().and_then(|device| device.kind.0.clone());
        if let Some(device) = fields.device.0 {
            found.offer_device(device);
        }
        found.take_external(fields.external_ids)?;
        let page = fields.page.0.unwrap_or_default();
        let campaign = fields.campaign.0.unwrap_or_default();
        let facts = Facts {
            page_url: page.url.0,
            page_path: page.path.0,
            page_referrer: page.referrer.0,
            campaign_name: campaign.name.0,
            campaign_source: campaign.source.0,
            campaign_medium: campaign.medium.0,
            device_type,
            ip: fields.ip.0,
            locale: fields.locale.0,
            library_name: fields.library.0.and_then(|library| library.name.0),
            ..Facts::default()
        };
        Ok(Self { identifiers: found.identifiers, facts })
    }

    fn into_owned(self) -> InContext<'static> {
        let identifiers = self.identifiers.into_iter().map(Identifier::into_owned).collect();
        InContext { identifiers, facts: self.facts.into_owned() }
    }
}
