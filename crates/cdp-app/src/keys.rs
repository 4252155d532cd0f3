//! Where things stand in State.

use cdp_event::{Identifier, PartitionId};
use cdp_identity::ProfileId;
use cdp_ports::{IDENTIFIERS, Key, TableName};

pub fn claim_key(identifier: &Identifier<'_>) -> Key {
    Key::new(format!("{IDENTIFIERS}{}/{}", identifier.namespace, identifier.value), "claim")
}

pub fn profile_key(profile: ProfileId) -> Key {
    Key::new(format!("profile/{profile}"), "profile")
}

/// Of a set that does not stand in its only profile's item.
pub fn set_key(root: ProfileId) -> Key {
    Key::new(format!("profile/{root}"), "set")
}

/// Checkpoints of open partitions stand together, so that one query tells what is in flight.
pub(crate) const CHECKPOINTS: &str = "checkpoints";

/// Those of partitions that are over stand apart: each file that was ever dropped has one.
pub(crate) const CLOSED: &str = "closed";

pub(crate) fn checkpoint_key(partition: &PartitionId) -> Key {
    Key::new(CHECKPOINTS, partition.as_str())
}

pub(crate) fn closed_key(partition: &PartitionId) -> Key {
    Key::new(CLOSED, partition.as_str())
}

pub(crate) fn outbox_partition(table: TableName) -> String {
    format!("outbox/{table}")
}

pub(crate) fn plan_key(table: TableName) -> Key {
    Key::new(format!("plan/{table}"), "current")
}

/// The progress of a replay.
pub(crate) fn replay_key(job: &str) -> Key {
    Key::new("replays", job)
}

/// That a refused row was replayed, and by which job.
pub(crate) fn replayed_key(partition: &str, sequence: &str, sub: i32) -> Key {
    Key::new(format!("replayed/{partition}"), format!("{sequence:0>57}.{sub:010}"))
}
