//! A validated event: the Segment spec's six calls, read once, with its JSON parts kept as they were sent.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::{Identifier, Offset, Timestamp};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    Track,
    Identify,
    Page,
    Screen,
    Group,
    Alias,
}

impl EventKind {
    pub const ALL: [Self; 6] = [Self::Track, Self::Identify, Self::Page, Self::Screen, Self::Group, Self::Alias];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::Identify => "identify",
            Self::Page => "page",
            Self::Screen => "screen",
            Self::Group => "group",
            Self::Alias => "alias",
        }
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is none of track, identify, page, screen, group, alias")]
pub struct NotAnEventKind(String);

impl FromStr for EventKind {
    type Err = NotAnEventKind;

    fn from_str(name: &str) -> Result<Self, NotAnEventKind> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == name);
        found.ok_or_else(|| NotAnEventKind(name.chars().take(40).collect()))
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was validated. Only `validate` makes one, so whoever holds it needs to check nothing again.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event<'a> {
    pub offset: Offset,
    pub source: Cow<'a, str>,
    pub kind: EventKind,
    /// As sent, or made from the event's position.
    pub message_id: Cow<'a, str>,
    /// When it happened, corrected for the producer's clock; never later than an hour after `received_at`.
    pub timestamp: Timestamp,
    pub original_timestamp: Option<Timestamp>,
    pub sent_at: Option<Timestamp>,
    pub received_at: Timestamp,

    /// The name of a track event.
    pub event: Option<Cow<'a, str>>,
    /// The name of a page or screen.
    pub name: Option<Cow<'a, str>>,
    pub user_id: Option<Cow<'a, str>>,
    pub anonymous_id: Option<Cow<'a, str>>,
    pub group_id: Option<Cow<'a, str>>,
    pub previous_id: Option<Cow<'a, str>>,
    /// Each identifier once. Never empty.
    pub identifiers: Vec<Identifier<'a>>,
    /// An alias's older identifier, where it is a user's own name: the producer's word that both are one person.
    pub alias: Option<Identifier<'a>>,

    pub facts: Facts<'a>,
    /// JSON objects, as sent.
    pub properties: Option<Cow<'a, str>>,
    pub traits: Option<Cow<'a, str>>,
    pub context: Option<Cow<'a, str>>,
}

/// Fields that analysts ask for most, read out of `context` and `properties` for columns of their own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts<'a> {
    pub page_url: Option<Cow<'a, str>>,
    pub page_path: Option<Cow<'a, str>>,
    pub page_referrer: Option<Cow<'a, str>>,
    pub campaign_name: Option<Cow<'a, str>>,
    pub campaign_source: Option<Cow<'a, str>>,
    pub campaign_medium: Option<Cow<'a, str>>,
    pub device_type: Option<Cow<'a, str>>,
    pub ip: Option<Cow<'a, str>>,
    pub locale: Option<Cow<'a, str>>,
    pub library_name: Option<Cow<'a, str>>,
    pub revenue: Option<f64>,
    pub currency: Option<Cow<'a, str>>,
    pub order_id: Option<Cow<'a, str>>,
}

impl Facts<'_> {
    pub(crate) fn into_owned(self) -> Facts<'static> {
        let owned = |text: Option<Cow<'_, str>>| text.map(|text| Cow::Owned(text.into_owned()));
        Facts {
            page_url: owned(self.page_url),
            page_path: owned(self.page_path),
            page_referrer: owned(self.page_referrer),
            campaign_name: owned(self.campaign_name),
            campaign_source: owned(self.campaign_source),
            campaign_medium: owned(self.campaign_medium),
            device_type: owned(self.device_type),
            ip: owned(self.ip),
            locale: owned(self.locale),
            library_name: owned(self.library_name),
            revenue: self.revenue,
            currency: owned(self.currency),
            order_id: owned(self.order_id),
        }
    }
}

impl<'a> Event<'a> {
    /// Whoever it is about, by any name.
    pub fn named(&self) -> impl Iterator<Item = &Identifier<'a>> {
        self.identifiers.iter().chain(&self.alias)
    }

    /// What the event is called in counts and lists: a track event's name, or the kind.
    pub fn label(&self) -> &str {
        self.event.as_deref().unwrap_or(self.kind.as_str())
    }
}
