//! What the functions were measured to consume (`tests/bench/aws.py`), and what could only be assumed.

use serde::Deserialize;

const MEASURED: &str = include_str!("consumption.toml");

/// How long a request is on its way, which an emulator can't say: typical times inside a region.
const STATE_WAIT_S: f64 = 0.005;
const LAKE_WRITE_WAIT_S: f64 = 0.040;
const LAKE_READ_WAIT_S: f64 = 0.020;
/// What Lambda itself writes into the log for a call.
pub(crate) const LOG_BYTES_OF_LAMBDA: f64 = 400.0;

#[derive(Clone, Debug, Deserialize)]
pub struct Consumption {
    /// What made it, and when.
    pub command: String,
    pub date: String,
    /// Ascending by their seconds.
    pub(crate) windows: Vec<Window>,
    pub(crate) batch: Batch,
    pub(crate) commit: Commit,
    pub(crate) upkeep: Upkeep,
    /// Ascending by their events.
    pub(crate) compressed: Vec<Compressed>,
    /// Ascending by their events.
    pub(crate) collect: Vec<Collect>,
    pub(crate) profiles: Lookup,
}

/// Batches of one shard that waited so long.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Window {
    pub window_s: f64,
    pub events_per_batch: f64,
    pub write_units_per_event: f64,
    pub read_units_per_event: f64,
    pub batch_write_units: f64,
    pub batch_read_units: f64,
    pub batch_dear_requests: f64,
    pub batch_cheap_requests: f64,
    pub stored_bytes_per_event: f64,
    pub cpu_ms_per_event: f64,
    pub state_waits_per_batch: f64,
    pub log_bytes_per_batch: f64,
}

/// Events that were compressed into one record.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Compressed {
    pub events_per_record: f64,
    /// Of the bytes that they had.
    pub share: f64,
}

/// A batch of one event.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Batch {
    pub cpu_ms: f64,
    pub state_waits: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Commit {
    pub per_commit_write_units: f64,
    pub per_commit_read_units: f64,
    pub per_commit_dear_requests: f64,
    pub per_commit_cheap_requests: f64,
    pub per_commit_state_waits: f64,
    pub per_commit_cpu_ms: f64,
    pub per_commit_log_bytes: f64,
    pub per_further_batch_write_units: f64,
    pub per_further_batch_read_units: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Upkeep {
    pub idle_write_units: f64,
    pub idle_read_units: f64,
    pub idle_dear_requests: f64,
    pub idle_cheap_requests: f64,
    pub idle_cpu_ms: f64,
    pub per_batch_dear_requests: f64,
    pub per_batch_cheap_requests: f64,
    pub cpu_ms_per_event: f64,
    pub lake_bytes_per_event: f64,
    pub log_bytes_per_round: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Collect {
    pub events_per_call: f64,
    pub cpu_ms_per_call: f64,
    pub log_bytes_per_call: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Lookup {
    pub read_units_per_lookup: f64,
    pub cpu_ms_per_lookup: f64,
    pub state_waits_per_lookup: f64,
    pub log_bytes_per_lookup: f64,
}

#[derive(Debug, thiserror::Error)]
#[error("consumption.toml can't be read: {0}; `make bench-aws` makes it")]
pub struct NotConsumption(#[from] Box<toml::de::Error>);

impl Consumption {
    /// How long batches waited that were measured.
    pub(crate) fn waits(&self) -> impl Iterator<Item = f64> {
        self.windows.iter().map(|window| window.window_s)
    }

    pub fn measured() -> Result<Self, NotConsumption> {
        Ok(toml::from_str(MEASURED).map_err(Box::new)?)
    }

    /// As batches that wait `wait_s`: between two that were measured, by the logarithm of their seconds; as the nearest
    /// beyond them.
    pub(crate) fn of_window(&self, wait_s: f64, field: fn(&Window) -> f64) -> f64 {
        between(&self.windows, |window| window.window_s.ln(), wait_s.ln(), field)
    }

    /// What is left of the bytes of so many events that are compressed together.
    pub(crate) fn compressed_share(&self, events: f64) -> f64 {
        between(&self.compressed, |record| record.events_per_record.ln(), events.ln(), |record| record.share)
    }

    pub(crate) fn of_call(&self, events: f64, field: fn(&Collect) -> f64) -> f64 {
        between(&self.collect, |call| call.events_per_call, events, field)
    }
}

fn between<T>(measured: &[T], place: impl Fn(&T) -> f64, wanted: f64, field: impl Fn(&T) -> f64) -> f64 {
    let after = measured.iter().position(|row| place(row) >= wanted);
    match after {
        Some(0) => measured.first().map_or(0.0, field),
        None => measured.last().map_or(0.0, field),
        Some(at) => {
            let (low, high) = (&measured[at - 1], &measured[at]);
            let share = (wanted - place(low)) / (place(high) - place(low));
            field(low) + share * (field(high) - field(low))
        }
    }
}

/// Seconds of waiting for State, and for the lake's writes and reads, one after the other.
pub(crate) fn waits_s(state: f64, lake_write: f64, lake_read: f64) -> f64 {
    state * STATE_WAIT_S + lake_write * LAKE_WRITE_WAIT_S + lake_read * LAKE_READ_WAIT_S
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_between_what_was() {
        let measured = [(1.0, 10.0), (2.0, 20.0), (4.0, 0.0)];
        for (wanted, expected) in [(0.5, 10.0), (1.0, 10.0), (1.5, 15.0), (3.0, 10.0), (4.0, 0.0), (9.0, 0.0)] {
            assert_eq!(between(&measured, |row| row.0, wanted, |row| row.1), expected, "at {wanted}");
        }
    }

    #[test]
    fn longer_waits_write_less() {
        let measured = Consumption::measured().expect("it is made by a script");
        let written = measured.windows.iter().map(|window| window.write_units_per_event).collect::<Vec<_>>();
        assert!(measured.windows.is_sorted_by(|a, b| a.window_s < b.window_s));
        assert!(written.first() > written.last(), "{written:?}");
    }
}
