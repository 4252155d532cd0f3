//! What goes over the stream for the events: a record each, or many that were compressed together.

use crate::{Consumption, Load};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Wire {
    pub events_per_record: f64,
    pub record_bytes: f64,
}

impl Wire {
    pub fn of(load: &Load, measured: &Consumption) -> Self {
        let events_per_record = load.events_per_record.unwrap_or(1.0).max(1.0);
        let share = load.events_per_record.map_or(1.0, |events| measured.compressed_share(events));
        Self { events_per_record, record_bytes: events_per_record * load.event_bytes * share }
    }

    pub fn bytes_per_event(&self) -> f64 {
        self.record_bytes / self.events_per_record
    }

    /// A record as a stream on demand counts it; DynamoDB, S3 and Lambda see other sizes.
    pub fn whole_kib(&self) -> f64 {
        (self.record_bytes / 1024.0).ceil().max(1.0)
    }
}
