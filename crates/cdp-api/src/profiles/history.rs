//! Events of a person beyond the few that a profile keeps itself. They are in the tables, so a warehouse is asked for them.

mod warehouse;

mod rows;
mod statement;

use std::pin::Pin;
use std::time::Duration;

use cdp_event::Timestamp;
use cdp_identity::ProfileId;
use cdp_ports::PortError;
use cdp_profile::RecentEvent;

pub use warehouse::WarehouseHistory;

pub trait History: Send + Sync {
    /// The first of the wanted events, in their order. Of those that were accepted in the last seconds some may be missing.
    fn events<'a>(&'a self, wanted: &'a Wanted<'a>) -> Asked<'a>;
}

pub type Asked<'a> = Pin<Box<dyn Future<Output = Result<Vec<PastEvent>, HistoryFault>> + Send + 'a>>;

#[derive(Debug, thiserror::Error)]
pub enum HistoryFault {
    /// The same question may take as long again.
    #[error("the tables did not answer within {} s", waited.as_secs())]
    Slow { waited: Duration },
    /// `Busy`: others ask for theirs just now. `Refused`: it can't be answered, as where it would read more than is allowed.
    #[error(transparent)]
    Port(#[from] PortError),
}

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
