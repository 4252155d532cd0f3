//! A small lake: four people's worth of rows in all four tables, over two days.

use adapter_delta::DeltaLake;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use cdp_event::{Identifier, Namespace, Offset, PartitionId, RawEvent, Reason, Rejection, Timestamp, validate};
use cdp_identity::ProfileId;
use cdp_lake::rows::{EventRows, IdentityRow, IdentityRows, ProfileRow, ProfileRows, QuarantineRow, QuarantineRows};
use cdp_ports::{Lake, Landing, TableName};
use cdp_query::Query;
use tempfile::TempDir;

pub const DAYS: [&str; 2] = ["2026-01-30", "2026-01-31"];
const DAY_MS: i64 = 86_400_000;
/// 2026-01-30T09:00:00Z.
const MORNING: Timestamp = Timestamp::from_ms(1_769_763_600_000);

pub struct Sample {
    pub folder: TempDir,
    pub lake: DeltaLake,
}

impl Sample {
    pub fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let lake = DeltaLake::open(folder.path()).expect("an empty folder becomes a lake");
        Self { folder, lake }
    }

    /// Each table with the rows of both days.
    pub async fn full() -> Self {
        let sample = Self::empty();
        fill(&sample.lake).await;
        sample
    }

    pub async fn commit(&self, table: TableName, plan: u64, date: &str, rows: &RecordBatch) {
        commit(&self.lake, table, plan, date, rows).await;
    }

    pub fn query(&self) -> Query {
        Query::open(self.folder.path()).expect("a lake")
    }
}

/// Each table with the rows of both days.
pub async fn fill(lake: &DeltaLake) {
    for (plan, day) in (1..).zip(DAYS) {
        for table in TableName::ALL {
            commit(lake, table, plan, day, &rows(table, plan as i64 - 1)).await;
        }
    }
}

async fn commit(lake: &DeltaLake, table: TableName, plan: u64, date: &str, rows: &RecordBatch) {
    let name = format!("plan-{plan}");
    let file = lake.put(table, date, &name, &mut std::iter::once(Ok(rows.clone()))).await.expect("room");
    lake.commit(table, plan, &[file]).await.expect("the next plan");
}

pub fn rows(table: TableName, day: i64) -> RecordBatch {
    let rows = match table {
        TableName::Events => events(day),
        TableName::Quarantine => quarantine(day),
        TableName::Identity => identity(day),
        TableName::Profiles => profiles(day),
    };
    rows.expect("columns of one length")
}

fn partition() -> PartitionId {
    PartitionId::new("shard-0")
}

fn offset(day: i64, number: u64) -> Offset {
    Offset::new((day as u64 * 100 + number).into(), 0)
}

fn morning(day: i64) -> Timestamp {
    MORNING.plus_ms(day * DAY_MS)
}

/// The profile that the event `number` of the first day created.
pub fn profile(number: u64) -> ProfileId {
    ProfileId::created_by(&partition(), offset(0, number), MORNING)
}

const EVENTS: [&str; 4] = [
    r#"{"type":"track","event":"Order Completed","userId":"jane","properties":{"revenue":12.5,"currency":"EUR","order_id":"o-1","cart":{"id":"c1","items":[{"sku":"a","n":2}]},"big":9007199254740993}}"#,
    r#"{"type":"track","event":"Order Completed","userId":"joe","properties":{"revenue":30}}"#,
    r#"{"type":"page","name":"Home","anonymousId":"laptop","context":{"page":{"path":"/"},"locale":"de-DE"}}"#,
    r#"{"type":"identify","userId":"jané","anonymousId":"laptop","traits":{"name":"Jané Ω","note":null}}"#,
];

fn events(day: i64) -> Result<RecordBatch, ArrowError> {
    event_rows(day, 0, &EVENTS)
}

/// Events of one day, an hour apart, from the place `first` of that day on.
pub fn event_rows(day: i64, first: u64, events: &[impl AsRef<[u8]>]) -> Result<RecordBatch, ArrowError> {
    let mut rows = EventRows::default();
    for (number, json) in (0..).zip(events) {
        let received_at = morning(day).plus_ms(number as i64 * 3_600_000);
        let raw = RawEvent::plain(offset(day, first + number), "web", received_at, json.as_ref());
        rows.push(&partition(), &validate(&raw).expect("a sound event"), profile(first + number));
    }
    rows.finish()
}

fn quarantine(day: i64) -> Result<RecordBatch, ArrowError> {
    let mut rows = QuarantineRows::default();
    let rejection = Rejection::of("event", Reason::MissingEvent, "a track event has no `event`");
    let row = QuarantineRow {
        received_at: morning(day),
        source: "web",
        rejection: &rejection,
        bytes: b"{\"type\":\"track\"}",
        request: Some(r#"{"sentAt":"2026-01-30T09:00:00.000Z"}"#),
    };
    rows.push(&partition(), offset(day, 50), &row);
    let rejection = Rejection::new(Reason::NotUtf8, "byte 0 is not UTF-8");
    let row = QuarantineRow { rejection: &rejection, bytes: b"\xff\x00", request: None, ..row };
    rows.push(&partition(), offset(day, 51), &row);
    rows.finish()
}

/// Three profiles are claimed on the first day; on the second, the third is found to be the first.
fn identity(day: i64) -> Result<RecordBatch, ArrowError> {
    let mut rows = IdentityRows::default();
    let jane = Identifier::new(Namespace::USER_ID, "jane").expect("an identifier");
    let mut push = |number, row: IdentityRow<'_>| rows.push(&partition(), offset(day, number), "default-1", &row);
    let claim = IdentityRow {
        decided_at: morning(day),
        decision: "claim",
        profile: profile(0),
        identifier: Some(&jane),
        other: None,
        canonical: None,
        revision: None,
        rule: None,
    };
    if day == 0 {
        for number in 0..3 {
            push(number, IdentityRow { profile: profile(number), ..claim });
        }
    } else {
        let (kept, merged) = (profile(0).min(profile(2)), profile(0).max(profile(2)));
        push(2, IdentityRow { decision: "edge", profile: merged, other: Some(kept), ..claim });
        push(
            2,
            IdentityRow {
                decision: "canonical",
                profile: merged,
                identifier: None,
                canonical: Some(kept),
                revision: Some(1),
                ..claim
            },
        );
    }
    rows.finish()
}

fn profiles(day: i64) -> Result<RecordBatch, ArrowError> {
    let mut rows = ProfileRows::default();
    let merged = profile(0).max(profile(2));
    for number in 0..3 {
        let is_merged = day == 1 && profile(number) == merged;
        let row = ProfileRow {
            profile: profile(number),
            revision: day + 1,
            merged_into: is_merged.then(|| profile(0).min(profile(2))),
            first_seen: Some(morning(0)),
            last_seen: Some(morning(day)),
            events: day as u64 + 1,
            traits: r#"{"plan":{"value":"pro"}}"#,
            identifiers: "[]",
            counts: r#"{"Order Completed":2}"#,
            members: "[]",
            written_at: morning(day),
        };
        rows.push(&partition(), offset(day, number), &row);
    }
    rows.finish()
}
