//! The handler over memory: which tables it commits, and what it answers when one can't be, or when there is no time.

use std::collections::BTreeSet;
use std::time::SystemTime;

use adapter_memory::{MemoryLake, MemoryState};
use cdp_app::Ingest;
use cdp_event::{PartitionId, Record, Sequence, Timestamp};
use cdp_ports::{Batches, Compaction, DataFile, FaultKind, Landing, PortError, PortResult};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// Memory, one of whose tables takes no commit.
struct Torn {
    lake: MemoryLake,
    torn: Option<TableName>,
}

impl Landing for Torn {
    async fn put(&self, table: TableName, date: &str, name: &str, rows: Batches<'_>) -> PortResult<DataFile> {
        self.lake.put(table, date, name, rows).await
    }
}

impl Lake for Torn {
    async fn commit(&self, table: TableName, plan: u64, files: &[DataFile]) -> PortResult<()> {
        if self.torn == Some(table) {
            return Err(PortError::new(FaultKind::Busy, format!("commit plan {plan} to {table}")));
        }
        self.lake.commit(table, plan, files).await
    }

    async fn last_plan(&self, table: TableName) -> PortResult<Option<u64>> {
        self.lake.last_plan(table).await
    }

    async fn compact(&self, table: TableName, target_bytes: u64) -> PortResult<Option<Compaction>> {
        self.lake.compact(table, target_bytes).await
    }

    async fn sweep(&self, table: TableName, named: &[String], before: Timestamp) -> PortResult<u64> {
        self.lake.sweep(table, named, before).await
    }
}

/// Something waits in the outbox of each table.
async fn handler(torn: Option<TableName>) -> Handler<MemoryState, Torn> {
    let lake = Torn { lake: MemoryLake::default(), torn };
    let ingest = Ingest { state: MemoryState::default(), lake, clock: Machine, rules: Default::default() };
    let data = [r#"{"type":"track","event":"Seen","userId":"jane"}"#, "not JSON"];
    let records = data.iter().zip(0u64..).map(|(data, at)| Record {
        sequence: Sequence::from(at),
        arrived_at: Machine.now(),
        partition_key: "k".into(),
        data: data.as_bytes().into(),
    });
    let mut shard = ingest.open(PartitionId::new("shardId-000000000000")).await.expect("memory");
    shard.take_records(&records.collect::<Vec<_>>(), "test").await.expect("memory");
    drop(shard);
    Handler { state: ingest.state, lake: ingest.lake }
}

fn woken_by(tables: &[TableName]) -> Woken {
    let change = |table| format!(r#"{{"dynamodb":{{"Keys":{{"partition":{{"S":"outbox/{table}"}}}}}}}}"#);
    let changes: Vec<String> = tables.iter().map(change).collect();
    serde_json::from_str(&format!(r#"{{"Records":[{}]}}"#, changes.join(","))).expect("an event")
}

/// `expected`: the tables that have rows afterwards.
async fn check(torn: Option<TableName>, woken: &Woken, left: Duration, expected: &[TableName]) -> bool {
    let handler = handler(torn).await;
    let outcome = handler.handle(woken, Deadline::at(SystemTime::now() + left)).await;
    let has_rows = |table: &TableName| !handler.lake.lake.rows(*table).is_empty();
    let committed: BTreeSet<TableName> = TableName::ALL.into_iter().filter(has_rows).collect();
    assert_eq!(committed, expected.iter().copied().collect::<BTreeSet<_>>(), "{torn:?}, {woken:?}, {left:?} left");
    outcome.is_ok()
}

#[tokio::test]
async fn what_waits_is_committed() {
    assert!(check(None, &Woken::default(), MINUTE, &TableName::ALL).await);
    let some = [TableName::Events, TableName::Profiles];
    assert!(check(None, &woken_by(&some), MINUTE, &some).await);
}

#[tokio::test]
async fn a_table_that_fails_is_told_and_keeps_no_other_from_its_commit() {
    for torn in TableName::ALL {
        let others: Vec<TableName> = TableName::ALL.into_iter().filter(|table| *table != torn).collect();
        assert!(!check(Some(torn), &Woken::default(), MINUTE, &others).await);
    }
}

#[tokio::test]
async fn without_time_nothing_is_begun() {
    assert!(check(None, &Woken::default(), MARGIN, &[]).await);
}
