//! What comes in, and what is wanted of it.

#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    pub events_per_second: f64,
    pub event_bytes: f64,
    pub lookups_per_second: f64,
    /// `None`: producers put into the stream themselves. Else they call the HTTP API, so many events at a time.
    pub events_per_call: Option<f64>,
    /// So many were compressed together by their producer. `None`: each is a record, as it is.
    pub events_per_record: Option<f64>,
    /// How long a batch may wait to fill.
    pub wait_s: f64,
    /// How long the stream keeps its records.
    pub kept_days: f64,
    pub state: Capacity,
}

/// How DynamoDB is paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Capacity {
    /// By the request.
    #[default]
    OnDemand,
    /// By the hour, for as much as follows the load: it runs at 70 % of what is paid.
    Provisioned,
    /// The same, promised for a year.
    Reserved,
}

impl Capacity {
    pub const ALL: [Self; 3] = [Self::OnDemand, Self::Provisioned, Self::Reserved];
}

impl Load {
    pub(crate) fn events_a_month(&self) -> f64 {
        self.events_per_second * crate::SECONDS_A_MONTH
    }
}
