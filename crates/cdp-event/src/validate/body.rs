//! What is read of an event's JSON. `properties`, `traits` and `context` are left as they stand, and read by themselves.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::explain::explain;
use crate::Rejection;
use crate::json::{IsTrue, Maybe, MaybeNumber, MaybeText, Text};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    #[serde(borrow, default, rename = "type")]
    pub kind: Text<'a>,
    #[serde(borrow, default)]
    pub message_id: Text<'a>,
    #[serde(borrow, default)]
    pub user_id: Text<'a>,
    #[serde(borrow, default)]
    pub anonymous_id: Text<'a>,
    #[serde(borrow, default)]
    pub group_id: Text<'a>,
    #[serde(borrow, default)]
    pub previous_id: Text<'a>,
    #[serde(borrow, default)]
    pub event: Text<'a>,
    #[serde(borrow, default)]
    pub name: Text<'a>,
    #[serde(borrow, default)]
    pub timestamp: Text<'a>,
    #[serde(borrow, default)]
    pub original_timestamp: Text<'a>,
    #[serde(borrow, default)]
    pub sent_at: Text<'a>,
    #[serde(borrow, default)]
    pub properties: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub traits: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub context: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ContextFields<'a> {
    #[serde(borrow)]
    pub traits: Maybe<TraitFields<'a>>,
    #[serde(borrow)]
    pub device: Maybe<Device<'a>>,
    #[serde(borrow)]
    pub page: Maybe<Page<'a>>,
    #[serde(borrow)]
    pub campaign: Maybe<Campaign<'a>>,
    #[serde(borrow)]
    pub library: Maybe<Library<'a>>,
    #[serde(borrow)]
    pub ip: MaybeText<'a>,
    #[serde(borrow)]
    pub locale: MaybeText<'a>,
    #[serde(borrow)]
    pub external_ids: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct TraitFields<'a> {
    #[serde(borrow)]
    pub email: MaybeText<'a>,
    #[serde(borrow)]
    pub phone: MaybeText<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct PropertyFields<'a> {
    #[serde(borrow)]
    pub email: MaybeText<'a>,
    pub revenue: MaybeNumber,
    #[serde(borrow)]
    pub currency: MaybeText<'a>,
    #[serde(borrow)]
    pub order_id: MaybeText<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Device<'a> {
    #[serde(borrow)]
    pub id: MaybeText<'a>,
    #[serde(borrow, rename = "type")]
    pub kind: MaybeText<'a>,
    #[serde(borrow)]
    pub advertising_id: MaybeText<'a>,
    /// An advertising id counts only where the person's consent to it was sent.
    pub ad_tracking_enabled: IsTrue,
    #[serde(borrow)]
    pub token: MaybeText<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Page<'a> {
    #[serde(borrow)]
    pub url: MaybeText<'a>,
    #[serde(borrow)]
    pub path: MaybeText<'a>,
    #[serde(borrow)]
    pub referrer: MaybeText<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Campaign<'a> {
    #[serde(borrow)]
    pub name: MaybeText<'a>,
    #[serde(borrow)]
    pub source: MaybeText<'a>,
    #[serde(borrow)]
    pub medium: MaybeText<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Library<'a> {
    #[serde(borrow)]
    pub name: MaybeText<'a>,
}

#[derive(Deserialize)]
pub(super) struct ExternalId<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    #[serde(borrow, default)]
    pub collection: MaybeText<'a>,
}

/// The fields that are needed of a part. An error names the path to its field.
pub(super) fn fields_of<'a, T: Deserialize<'a> + Default>(field: &str, json: Option<&'a str>) -> Result<T, Rejection> {
    let Some(json) = json else { return Ok(T::default()) };
    serde_json::from_str(json).map_err(|error| {
        let inner = explain(&error, json);
        let path = inner.field.map_or_else(|| field.to_owned(), |key| format!("{field}.{key}"));
        Rejection { field: Some(path), ..inner }
    })
}
