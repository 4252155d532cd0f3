//! An event's context: what it says of the person and of the circumstances.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::body::{ContextFields, Part};
use super::found::Found;
use crate::event::Facts;
use crate::json::{Scanner, lone_surrogate};
use crate::{Identifier, Namespace, Reason, Rejection};

#[derive(Default)]
pub(super) struct InContext<'a> {
    /// The whole of it.
    pub json: Option<Cow<'a, str>>,
    pub identifiers: Vec<Identifier<'a>>,
    pub facts: Facts<'a>,
}

impl<'a> InContext<'a> {
    /// The event's own context, laid over what its whole request shared.
    pub fn read(own: Part<'a, ContextFields<'a>>, shared: Option<&str>) -> Result<Self, Rejection> {
        let Some(shared) = shared else {
            return Ok(Self { json: own.json.map(Cow::Borrowed), ..Self::of(own.fields)? });
        };
        let merged = merged(own.json, shared)?;
        let fields: ContextFields<'_> = Scanner::new(&merged).fields().map_err(|fault| fault.within("context"))?;
        let InContext { identifiers, facts, .. } = InContext::of(fields)?;
        let identifiers = identifiers.into_iter().map(Identifier::into_owned).collect();
        let facts = facts.into_owned();
        Ok(Self { json: Some(Cow::Owned(merged)), identifiers, facts })
    }

    fn of(fields: ContextFields<'a>) -> Result<Self, Rejection> {
        let mut found = Found::default();
        if let Some(person) = fields.traits.get() {
            found.offer(Namespace::EMAIL, person.email.get());
            found.offer(Namespace::PHONE, person.phone.get());
        }
        let device = fields.device.get().unwrap_or_default();
        let device_type = device.kind.clone().get();
        found.offer_device(device);
        found.take_external(fields.external_ids.get())?;
        let page = fields.page.get().unwrap_or_default();
        let campaign = fields.campaign.get().unwrap_or_default();
        let facts = Facts {
            page_url: page.url.get(),
            page_path: page.path.get(),
            page_referrer: page.referrer.get(),
            campaign_name: campaign.name.get(),
            campaign_source: campaign.source.get(),
            campaign_medium: campaign.medium.get(),
            device_type,
            ip: fields.ip.get(),
            locale: fields.locale.get(),
            library_name: fields.library.get().and_then(|library| library.name.get()),
            ..Facts::default()
        };
        Ok(Self { json: None, identifiers: found.identifiers, facts })
    }
}

fn merged(own: Option<&str>, shared: &str) -> Result<String, Rejection> {
    if lone_surrogate(shared.as_bytes()).is_some() {
        let detail = "the request's context escapes half of a character";
        return Err(Rejection::of("context", Reason::NotUtf8, detail));
    }
    type Keys<'k> = BTreeMap<Cow<'k, str>, &'k RawValue>;
    let mut merged: Keys<'_> = serde_json::from_str(shared).map_err(|error| {
        Rejection::of("context", Reason::BadEnvelope, format!("the request's context is not a JSON object: {error}"))
    })?;
    let of_the_event = |error: serde_json::Error| Rejection::of("context", Reason::NotJson, error.to_string());
    merged.extend(own.map_or(Ok(Keys::new()), serde_json::from_str).map_err(of_the_event)?);
    serde_json::to_string(&merged).map_err(of_the_event)
}
