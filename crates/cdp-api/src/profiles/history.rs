//! Events of a person beyond the few that a profile keeps itself. They are in the tables, so they are asked of whoever can
//! read those: this API knows no SQL.

use std::pin::Pin;

use cdp_event::Timestamp;
use cdp_identity::ProfileId;
use cdp_ports::PortResult;
use cdp_profile::RecentEvent;

pub trait History: Send + Sync {
    /// The first of the wanted events, in their order. Of those that were accepted in the last seconds some may be missing.
    /// `Busy`: others ask for theirs just now.
    fn events<'a>(&'a self, wanted: &'a Wanted<'a>) -> Asked<'a>;
}

pub type Asked<'a> = Pin<Box<dyn Future<Output = PortResult<Vec<PastEvent>>> + Send + 'a>>;

/// Which events, and in which order: by time, then by message id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Those that are the person.
    pub profiles: Vec<ProfileId>,
    /// An event is called by its name, or else by its type. `None`: whatever it is called.
    pub include: Option<Vec<&'a str>>,
    pub exclude: Vec<&'a str>,
    /// At this time or later.
    pub start: Timestamp,
    /// Before this time.
    pub end: Option<Timestamp>,
    pub newest_first: bool,
    /// From this event on.
    pub from: Option<(Timestamp, String)>,
    /// At most so many.
    pub limit: usize,
}

/// An event, with what a profile does not keep of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastEvent {
    pub event: RecentEvent,
    pub user_id: Option<String>,
    pub anonymous_id: Option<String>,
    /// JSON text.
    pub context: Option<String>,
}

impl Wanted<'_> {
    /// Whether an event is wanted, but for whose it is and how many come before it.
    pub fn has(&self, event: &RecentEvent) -> bool {
        let called = event.name.as_deref().unwrap_or(event.kind.as_str());
        let is_in_time = event.timestamp >= self.start && self.end.is_none_or(|end| event.timestamp < end);
        let is_reached = self.from.as_ref().is_none_or(|(timestamp, message_id)| {
            let (from, at) = ((timestamp, message_id.as_str()), (&event.timestamp, &*event.message_id));
            if self.newest_first { at <= from } else { at >= from }
        });
        let is_included = self.include.as_ref().is_none_or(|names| names.contains(&called));
        is_in_time && is_reached && is_included && !self.exclude.contains(&called)
    }
}
