//! The use cases: the same for a shard and for a file, on one machine and on AWS, in earnest and in the simulator.

mod keys;

mod checkpoint;
mod outbox;
mod profile_item;
mod reading;
mod sets;

mod ingest;

mod commit;
mod retire;
mod upkeep;

mod lookup;
mod verify;

mod replay;

#[cfg(test)]
mod small_platform;

pub use checkpoint::{Checkpoint, Checkpoints, Counts};
pub use commit::{CommitError, Committed, Committer};
pub use ingest::{BYTES_AT_ONCE, BatchReport, EVENTS_AT_ONCE, Ingest, IngestError, PartitionIngest, StageTimes};
pub use keys::{claim_key, profile_key, set_key};
pub use lookup::{Found, Lookup, LookupError, NotAProfileName, ProfileName};
pub use outbox::{OutboxEntry, waiting_files};
pub use profile_item::ProfileItem;
pub use reading::Reading;
pub use replay::{
    Again, Choice, NotAJob, OfFile, Progress, RefusedRow, Remap, Remapped, Replay, ReplayError, ReplayJob, What,
};
pub use retire::retire;
pub use upkeep::Upkeep;
pub use verify::{
    CanonicalRow, Check, ClaimCount, NewestRow, ProfileCount, RecordCount, RepeatedPosition, TableFacts, Verification,
    Verify, VerifyError, sql as verify_sql,
};
