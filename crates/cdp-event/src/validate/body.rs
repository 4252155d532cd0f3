//! What is read of an event's JSON. `properties`, `traits` and `context` are kept as they stand, beside the fields that are
//! needed of them.

use std::borrow::Cow;

use crate::Rejection;
use crate::json::{Fault, Fields, Kind, Once, Scanner};

type Text<'a> = Option<Cow<'a, str>>;

#[derive(Default)]
pub(super) struct Body<'a> {
    pub kind: Once<Text<'a>>,
    pub message_id: Once<Text<'a>>,
    pub user_id: Once<Text<'a>>,
    pub anonymous_id: Once<Text<'a>>,
    pub group_id: Once<Text<'a>>,
    pub previous_id: Once<Text<'a>>,
    pub event: Once<Text<'a>>,
    pub name: Once<Text<'a>>,
    pub timestamp: Once<Text<'a>>,
    pub original_timestamp: Once<Text<'a>>,
    pub sent_at: Once<Text<'a>>,
    pub properties: Once<Part<'a, PropertyFields<'a>>>,
    pub traits: Once<Part<'a, TraitFields<'a>>>,
    pub context: Once<Part<'a, ContextFields<'a>>>,
}

/// An object in an event. `json`: as it stands, if it is there.
#[derive(Default)]
pub(super) struct Part<'a, T> {
    pub json: Option<&'a str>,
    pub fields: T,
}

impl<'a> Body<'a> {
    pub fn read(text: &'a str) -> Result<Self, Rejection> {
        let mut json = Scanner::new(text);
        let body = json.fields()?;
        json.end()?;
        Ok(body)
    }
}

impl<'a> Fields<'a> for Body<'a> {
    fn read(&mut self, key: &str, json: &mut Scanner<'a>) -> Result<(), Fault> {
        match key {
            "type" => self.kind.set(json.id()?),
            "messageId" => self.message_id.set(json.id()?),
            "userId" => self.user_id.set(json.id()?),
            "anonymousId" => self.anonymous_id.set(json.id()?),
            "groupId" => self.group_id.set(json.id()?),
            "previousId" => self.previous_id.set(json.id()?),
            "event" => self.event.set(json.id()?),
            "name" => self.name.set(json.id()?),
            "timestamp" => self.timestamp.set(json.id()?),
            "originalTimestamp" => self.original_timestamp.set(json.id()?),
            "sentAt" => self.sent_at.set(json.id()?),
            "properties" => self.properties.set(Part::read(json)?),
            "traits" => self.traits.set(Part::read(json)?),
            "context" => self.context.set(Part::read(json)?),
            _ => json.pass().map(drop),
        }
    }
}

impl<'a, T: Fields<'a>> Part<'a, T> {
    fn read(json: &mut Scanner<'a>) -> Result<Self, Fault> {
        match json.kind()? {
            Kind::Object => {
                let (standing, fields) = json.standing(Scanner::fields)?;
                Ok(Self { json: Some(standing), fields })
            }
            Kind::Null => json.pass().map(|_| Self::default()),
            _ => json.pass().and(Err(Fault::not_a("an object"))),
        }
    }
}

#[derive(Default)]
pub(super) struct ContextFields<'a> {
    pub traits: Once<Option<TraitFields<'a>>>,
    pub device: Once<Option<Device<'a>>>,
    pub page: Once<Option<Page<'a>>>,
    pub campaign: Once<Option<Campaign<'a>>>,
    pub library: Once<Option<Library<'a>>>,
    pub ip: Once<Text<'a>>,
    pub locale: Once<Text<'a>>,
    pub external_ids: Once<Vec<ExternalId<'a>>>,
}

impl<'a> Fields<'a> for ContextFields<'a> {
    fn read(&mut self, key: &str, json: &mut Scanner<'a>) -> Result<(), Fault> {
        match key {
            "traits" => self.traits.set(json.maybe_fields()?),
            "device" => self.device.set(json.maybe_fields()?),
            "page" => self.page.set(json.maybe_fields()?),
            "campaign" => self.campaign.set(json.maybe_fields()?),
            "library" => self.library.set(json.maybe_fields()?),
            "ip" => self.ip.set(json.maybe_text()?),
            "locale" => self.locale.set(json.maybe_text()?),
            "externalIds" => self.external_ids.set(ExternalId::read_all(json)?),
            _ => json.pass().map(drop),
        }
    }
}

#[derive(Default)]
pub(super) struct TraitFields<'a> {
    pub email: Once<Text<'a>>,
    pub phone: Once<Text<'a>>,
}

impl<'a> Fields<'a> for TraitFields<'a> {
    fn read(&mut self, key: &str, json: &mut Scanner<'a>) -> Result<(), Fault> {
        match key {
            "email" => self.email.set(json.maybe_text()?),
            "phone" => self.phone.set(json.maybe_text()?),
            _ => json.pass().map(drop),
        }
    }
}

#[derive(Default)]
pub(super) struct PropertyFields<'a> {
    pub email: Once<Text<'a>>,
    pub revenue: Once<Option<f64>>,
    pub currency: Once<Text<'a>>,
    pub order_id: Once<Text<'a>>,
}

impl<'a> Fields<'a> for PropertyFields<'a> {
    fn read(&mut self, key: &str, json: &mut Scanner<'a>) -> Result<(), Fault> {
        match key {
            "email" => self.email.set(json.maybe_text()?),
            "revenue" => self.revenue.set(json.maybe_number()?),
            "currency" => self.currency.set(json.maybe_text()?),
            "order_id" => self.order_id.set(json.maybe_text()?),
            _ => json.pass().map(drop),
        }
    }
}

#[derive(Default)]
pub(super) struct Device<'a> {
    pub id: Once<Text<'a>>,
    pub kind: Once<Text<'a>>,
    pub advertising_id: Once<Text<'a>>,
    /// An advertising id counts only where the person's consent to it was sent.
    pub ad_tracking_enabled: Once<bool>,
    pub token: Once<Text<'a>>,
}

impl<'a> Fields<'a> for Device<'a> {
    fn read(&mut self, key: &str, json: &mut Scanner<'a>) -> Result<(), Fault> {
        match key {
            "id" => self.id.set(json.maybe_text()?),
            "type" => self.kind.set(json.maybe_text()?),
            "advertisingId" => self.advertising_id.set(json.maybe_text()?),
            "adTrackingEnabled" => self.ad_tracking_enabled.set(json.is_true()?),
            "token" => self.token.set(json.maybe_text()?),
            _ => json.pass().map(drop),
        }
    }
}

#[derive(Default)]
pub(super) struct Page<'a> {
    pub url: Once<Text<'a>>,
    pub path: Once<Text<'a>>,
    pub referrer: Once<Text<'a>>,
}

impl<'a> Fields<'a> for Page<'a> {
    fn read(&mut self, key: &str, json: &mut Scanner<'a>) -> Result<(), Fault> {
        match key {
            "url" => self.url.set(json.maybe_text()?),
            "path" => self.path.set(json.maybe_text()?),
            "referrer" => self.referrer.set(json.maybe_text()?),
            _ => json.pass().map(drop),
        }
    }
}

#[derive(Default)]
pub(super) struct Campaign<'a> {
    pub name: Once<Text<'a>>,
    pub source: Once<Text<'a>>,
    pub medium: Once<Text<'a>>,
}

impl<'a> Fields<'a> for Campaign<'a> {
    fn read(&mut self, key: &str, json: &mut Scanner<'a>) -> Result<(), Fault> {
        match key {
            "name" => self.name.set(json.maybe_text()?),
            "source" => self.source.set(json.maybe_text()?),
            "medium" => self.medium.set(json.maybe_text()?),
            _ => json.pass().map(drop),
        }
    }
}

#[derive(Default)]
pub(super) struct Library<'a> {
    pub name: Once<Text<'a>>,
}

impl<'a> Fields<'a> for Library<'a> {
    fn read(&mut self, key: &str, json: &mut Scanner<'a>) -> Result<(), Fault> {
        match key {
            "name" => self.name.set(json.maybe_text()?),
            _ => json.pass().map(drop),
        }
    }
}

#[derive(Default)]
pub(super) struct ExternalId<'a> {
    pub id: Once<Text<'a>>,
    pub kind: Once<Text<'a>>,
    pub collection: Once<Text<'a>>,
}

impl<'a> Fields<'a> for ExternalId<'a> {
    fn read(&mut self, key: &str, json: &mut Scanner<'a>) -> Result<(), Fault> {
        match key {
            "id" => self.id.set(json.id()?),
            "type" => self.kind.set(json.id()?),
            "collection" => self.collection.set(json.maybe_text()?),
            _ => json.pass().map(drop),
        }
    }
}

impl<'a> ExternalId<'a> {
    /// None where a producer sent no list.
    fn read_all(json: &mut Scanner<'a>) -> Result<Vec<Self>, Fault> {
        let mut all = Vec::new();
        if json.kind()? != Kind::List {
            return json.pass().map(|_| all);
        }
        json.list(|json| {
            let one: Option<Self> = json.maybe_fields()?;
            all.push(one.filter(Self::is_whole).ok_or(Fault::not_a("a list of objects with `id` and `type`"))?);
            Ok(())
        })?;
        Ok(all)
    }

    fn is_whole(&self) -> bool {
        self.id.is_there() && self.kind.is_there()
    }
}
