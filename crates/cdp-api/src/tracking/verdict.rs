//! What validation will say of an event, for a producer that asks.

use cdp_event::{RawEvent, Rejection, validate};
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(super) enum Verdict {
    Accepted,
    Refused {
        code: &'static str,
        /// The field's path, where one is to blame.
        field: Option<String>,
        message: String,
        remedy: &'static str,
    },
}

impl Verdict {
    pub fn of(event: &RawEvent<'_>) -> Self {
        validate(event).map_or_else(Self::from, |_| Self::Accepted)
    }
}

impl From<Rejection> for Verdict {
    fn from(rejection: Rejection) -> Self {
        let Rejection { reason, field, detail } = rejection;
        Self::Refused { code: reason.as_str(), field, message: detail, remedy: reason.remedy() }
    }
}
