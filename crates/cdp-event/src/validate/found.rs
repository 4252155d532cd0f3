//! Which identifiers an event names.

use std::borrow::Cow;

use super::body::{Device, ExternalId};
use crate::identifier::NotAnIdentifier;
use crate::{Identifier, Namespace, Reason, Rejection};

/// More than any real event has; what is beyond is still in `context`.
const MAX_EXTERNAL_IDS: usize = 20;

/// The identifiers found so far, each once, in the order found.
#[derive(Default)]
pub(super) struct Found<'a> {
    pub identifiers: Vec<Identifier<'a>>,
}

impl<'a> Found<'a> {
    /// An identifier that the event is about: a bad one is an error.
    pub fn take(&mut self, field: &str, namespace: Namespace, value: Option<Cow<'a, str>>) -> Result<(), Rejection> {
        let Some(value) = value else { return Ok(()) };
        if let Some(identifier) = identifier(field, namespace, value)? {
            self.keep(identifier);
        }
        Ok(())
    }

    /// A value that may serve as an identifier: a bad one stays a mere trait.
    pub fn offer(&mut self, namespace: Namespace, value: Option<Cow<'a, str>>) {
        if let Some(Ok(identifier)) = value.map(|value| Identifier::new(namespace, value)) {
            self.keep(identifier);
        }
    }

    pub fn keep(&mut self, identifier: Identifier<'a>) {
        if !self.identifiers.contains(&identifier) {
            self.identifiers.push(identifier);
        }
    }

    /// Only apps have device identifiers of their own; a browser's `device.id` is whatever the site made of it.
    pub fn offer_device(&mut self, device: Device<'a>) {
        let (id, advertising_id, push_token) = match device.kind.get().as_deref() {
            Some("ios") => (Namespace::IOS_ID, Namespace::IOS_IDFA, Namespace::IOS_PUSH_TOKEN),
            Some("android") => (Namespace::ANDROID_ID, Namespace::ANDROID_IDFA, Namespace::ANDROID_PUSH_TOKEN),
            Some(_) | None => return,
        };
        self.offer(id, device.id.get());
        if device.ad_tracking_enabled.get() {
            self.offer(advertising_id, device.advertising_id.get());
        }
        self.offer(push_token, device.token.get());
    }

    pub fn take_external(&mut self, ids: Vec<ExternalId<'a>>) -> Result<(), Rejection> {
        for id in ids.into_iter().take(MAX_EXTERNAL_IDS) {
            let of_a_person = id.collection.get().as_deref().unwrap_or("users") == "users";
            let Some(Ok(namespace)) = id.kind.get().as_deref().map(str::parse::<Namespace>) else {
                let detail = "an external id has no `type` of a-z, 0-9, `_` and `.`";
                return Err(Rejection::of("context.externalIds", Reason::BadIdentifier, detail));
            };
            if of_a_person {
                self.take("context.externalIds", namespace, id.id.get())?;
            }
        }
        Ok(())
    }
}

/// `previousId` names a device or a user. It names a device where it repeats the event's `anonymousId`, or is a UUID, as
/// SDKs make them for devices: such a device is shared or rotated like any other, so it is an ordinary identifier. Else
/// it is the name that the same user had before.
pub(super) fn alias_of<'a>(
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

fn identifier<'a>(field: &str, namespace: Namespace, value: Cow<'a, str>) -> Result<Option<Identifier<'a>>, Rejection> {
    match Identifier::new(namespace, value) {
        Ok(identifier) => Ok(Some(identifier)),
        Err(NotAnIdentifier::Empty) => Ok(None),
        Err(error) => Err(Rejection::of(field, Reason::BadIdentifier, format!("`{field}`: {error}"))),
    }
}
