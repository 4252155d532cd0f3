//! An event's context: what it says of the person and of the circumstances.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::body::{ContextFields, fields_of};
use super::explain::explain;
use super::found::Found;
use crate::event::Facts;
use crate::{Identifier, Namespace, Reason, Rejection};

/// The event's own context laid over what its whole request shared.
pub(super) fn with_shared<'a>(
    own: Option<&'a RawValue>,
    shared: Option<&str>,
) -> Result<Option<Cow<'a, str>>, Rejection> {
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

#[derive(Default)]
pub(super) struct InContext<'a> {
    pub identifiers: Vec<Identifier<'a>>,
    pub facts: Facts<'a>,
}

impl<'a> InContext<'a> {
    pub fn read(context: Option<&Cow<'a, str>>) -> Result<Self, Rejection> {
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
