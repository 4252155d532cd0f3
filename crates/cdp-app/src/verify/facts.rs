//! What the proof asks of the tables and of the stream. Whoever runs SQL answers with the statements of [`sql`].

use cdp_event::{PartitionId, Sequence};
use cdp_ports::{PortResult, TableName};
use futures::stream::BoxStream;

/// How many records the stream itself counts.
pub trait RecordCount: Sync {
    /// Records of `partition` from its first to `sequence`, both included. `None` where that is not known: a partition
    /// that is a file, a stream whose sequence numbers have gaps.
    fn records_up_to(
        &self,
        partition: &PartitionId,
        sequence: Sequence,
    ) -> impl Future<Output = PortResult<Option<u64>>> + Send;
}

/// Facts of the committed tables. Each answer is one consistent view of its table, not older than the question.
pub trait TableFacts: Sync {
    /// For `events` and `quarantine`.
    fn rows_by_partition(&self, table: TableName) -> impl Future<Output = PortResult<Vec<(PartitionId, u64)>>> + Send;

    /// Positions that stand in `events` and `quarantine` more than once; the first 100 will do.
    fn repeated_positions(&self) -> impl Future<Output = PortResult<Vec<RepeatedPosition>>> + Send;

    /// Every profile of `events` once, by profile id, in pages of any size that fits memory.
    fn events_by_profile(&self) -> BoxStream<'_, PortResult<Vec<ProfileCount>>>;

    /// Every profile that a claim of `identity` names once, by profile id, in pages of any size that fits memory. With
    /// [`TableFacts::canonical`] it is the view `canonical`: there, its two sides are joined.
    fn claimants(&self) -> BoxStream<'_, PortResult<Vec<String>>>;

    /// The newest `canonical` row of each profile that has one in `identity`, by profile id, in pages as before.
    fn canonical(&self) -> BoxStream<'_, PortResult<Vec<CanonicalRow>>>;

    /// The newest row of each profile of `profiles`, merged or not, by profile id, in pages as before. The view `people` is those
    /// of them that were not merged.
    fn newest_profiles(&self) -> BoxStream<'_, PortResult<Vec<NewestRow>>>;

    /// Every claim of `identity` once, by identifier, in pages of any size that fits memory.
    fn claims(&self) -> BoxStream<'_, PortResult<Vec<ClaimCount>>>;

    /// How many rows of `identity` tell of an edge.
    fn edges(&self) -> impl Future<Output = PortResult<u64>> + Send;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepeatedPosition {
    pub partition: String,
    pub sequence: String,
    pub sub: i32,
    pub rows: u64,
}

/// How many rows of `events` a profile has. The id is text as the table has it: a broken one is a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileCount {
    pub profile_id: String,
    pub rows: u64,
}

/// Who a profile is now, as `identity` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalRow {
    pub profile_id: String,
    pub canonical_id: String,
}

/// The newest row of a profile in `profiles`, as far as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestRow {
    pub profile_id: String,
    pub revision: i64,
    pub merged_into: Option<String>,
    pub events: u64,
}

impl NewestRow {
    /// The revision of the identity set that it was made of: the upper half of its own, the lower counts writes of members.
    pub(super) fn set_revision(&self) -> u64 {
        u64::try_from(self.revision >> 32).unwrap_or_default()
    }
}

/// How many rows of `identity` say that a profile claimed an identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimCount {
    pub namespace: String,
    pub value: String,
    pub profile_id: String,
    pub rows: u64,
}

/// Plain SQL: Athena, Databricks SQL and DataFusion run the same text. Columns come in the order of the types above.
pub mod sql {
    pub const EVENTS_BY_PARTITION: &str = "SELECT partition, count(*) AS rows_found FROM events GROUP BY partition";

    pub const QUARANTINE_BY_PARTITION: &str =
        "SELECT partition, count(*) AS rows_found FROM quarantine GROUP BY partition";

    pub const REPEATED_POSITIONS: &str = "\
SELECT partition, sequence, sub, count(*) AS rows_found
FROM (
  SELECT partition, sequence, sub FROM events
  UNION ALL
  SELECT partition, sequence, sub FROM quarantine
) AS positions
GROUP BY partition, sequence, sub
HAVING count(*) > 1
LIMIT 100";

    pub const EVENTS_BY_PROFILE: &str =
        "SELECT profile_id, count(*) AS rows_found FROM events GROUP BY profile_id ORDER BY profile_id";

    pub const CLAIMANTS: &str = "\
SELECT profile_id FROM identity WHERE decision = 'claim' GROUP BY profile_id ORDER BY profile_id";

    pub const CANONICAL: &str = "\
SELECT profile_id, canonical_id
FROM (
  SELECT profile_id, canonical_id, row_number() OVER (PARTITION BY profile_id ORDER BY revision DESC) AS newest
  FROM identity
  WHERE decision = 'canonical'
) AS r
WHERE newest = 1
ORDER BY profile_id";

    /// Narrow, because every row that there ever was of a person is sorted.
    pub const NEWEST_PROFILES: &str = "\
SELECT profile_id, revision, merged_into, events
FROM (
  SELECT profile_id, revision, merged_into, events,
    row_number() OVER (PARTITION BY profile_id ORDER BY revision DESC) AS newest
  FROM profiles
) AS r
WHERE newest = 1
ORDER BY profile_id";

    pub const EDGES: &str = "SELECT count(*) AS rows_found FROM identity WHERE decision = 'edge'";

    pub const CLAIMS: &str = "\
SELECT namespace, value, profile_id, count(*) AS rows_found
FROM identity
WHERE decision = 'claim'
GROUP BY namespace, value, profile_id
ORDER BY namespace, value, profile_id";
}
