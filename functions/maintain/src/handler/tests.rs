//! A round over memory: what it does of each part, when another part fails, and when time is short.

use std::time::SystemTime;

use adapter_memory::{MemoryLake, MemoryState, MemoryStream};
use cdp_app::{Checkpoint, Committer, Ingest};
use cdp_event::{PartitionId, Record, Sequence, Timestamp};
use cdp_ports::{Batches, Compaction, DataFile, FaultKind, Landing, PortError, PortResult};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const HERE: &str = "shardId-000000000000";
const GONE: &str = "shardId-000000000001";
const FILE: &str = "file-of-a-partner";

/// Memory, one of whose tables can't be compacted.
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
        self.lake.commit(table, plan, files).await
    }

    async fn last_plan(&self, table: TableName) -> PortResult<Option<u64>> {
        self.lake.last_plan(table).await
    }

    async fn compact(&self, table: TableName, target_bytes: u64) -> PortResult<Option<Compaction>> {
        if self.torn == Some(table) {
            return Err(PortError::new(FaultKind::Busy, format!("compact {table}")));
        }
        self.lake.compact(table, target_bytes).await
    }

    async fn sweep(&self, table: TableName, named: &[String], before: Timestamp) -> PortResult<u64> {
        self.lake.sweep(table, named, before).await
    }
}

/// Three partitions came, of which one is a shard that the stream has no more. Each table has a file of each.
async fn handler(torn: Option<TableName>) -> Handler<MemoryState, Torn, MemoryStream> {
    let lake = Torn { lake: MemoryLake::default(), torn };
    let ingest = Ingest { state: MemoryState::default(), lake, clock: Machine, rules: Default::default() };
    for partition in [HERE, GONE, FILE] {
        let data = [format!(r#"{{"type":"track","event":"Seen","userId":"{partition}"}}"#), "not JSON".to_owned()];
        let records = data.into_iter().zip(0u64..).map(|(data, at)| Record {
            sequence: Sequence::from(at),
            arrived_at: Machine.now(),
            partition_key: "k".into(),
            data: data.into(),
        });
        let mut worker = ingest.open(PartitionId::new(partition)).await.expect("memory");
        worker.take_records(&records.collect::<Vec<_>>(), "test").await.expect("memory");
    }
    for table in TableName::ALL {
        Committer { state: &ingest.state, lake: &ingest.lake, table }.drain().await.expect("memory");
    }
    let (stream, retention) = (MemoryStream::new(1), RetentionSettings::default());
    Handler { state: ingest.state, lake: ingest.lake, stream, retention }
}

/// `expected`: tables that are of one file afterwards; the others stay of three.
async fn check(torn: Option<TableName>, left: Duration, expected: &[TableName]) -> bool {
    let handler = handler(torn).await;
    let outcome = handler.handle(Deadline::at(SystemTime::now() + left)).await;
    for table in TableName::ALL {
        let files = handler.lake.lake.files(table);
        assert_eq!(files.len(), if expected.contains(&table) { 1 } else { 3 }, "{table} with {torn:?}, {left:?} left");
        assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), 3, "{table} with {torn:?}, {left:?} left");
    }
    for (partition, is_closed) in [(HERE, false), (GONE, true), (FILE, false)] {
        let checkpoint = Checkpoint::load(&handler.state, &PartitionId::new(partition)).await.expect("memory");
        assert_eq!(checkpoint.map(|checkpoint| checkpoint.closed), Some(is_closed), "{partition}");
    }
    outcome.is_ok()
}

#[tokio::test]
async fn a_round_compacts_each_table_and_closes_shards_that_are_gone() {
    assert!(check(None, HOUR, &TableName::ALL).await);
}

#[tokio::test]
async fn a_part_that_fails_is_told_and_keeps_no_other_from_its_round() {
    for torn in TableName::ALL {
        let others: Vec<TableName> = TableName::ALL.into_iter().filter(|table| *table != torn).collect();
        assert!(!check(Some(torn), HOUR, &others).await);
    }
}

#[tokio::test]
async fn no_rewrite_is_begun_that_time_may_not_suffice_for() {
    assert!(check(None, MARGIN, &[]).await);
}
