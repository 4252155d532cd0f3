//! The outbox: files that were landed, and are to be committed to their tables.

use bytes::Bytes;
use cdp_event::PartitionId;
use cdp_identity::BadItem;
use cdp_ports::{Condition, DataFile, Key, State, TableName, Write};
use prost::Message;

use crate::keys::outbox_partition;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxEntry {
    /// Unique, and in the order of landing.
    pub name: String,
    pub partition: PartitionId,
    pub file: DataFile,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StoredFile {
    #[prost(string, tag = "1")]
    partition: String,
    #[prost(string, tag = "2")]
    path: String,
    #[prost(string, tag = "3")]
    date: String,
    #[prost(uint64, tag = "4")]
    rows: u64,
    #[prost(uint64, tag = "5")]
    bytes: u64,
    #[prost(string, tag = "6")]
    stats: String,
    #[prost(sint64, tag = "7")]
    written_at_ms: i64,
}

impl OutboxEntry {
    pub(crate) fn write(&self, table: TableName) -> Write {
        let body = StoredFile {
            partition: self.partition.as_str().to_owned(),
            path: self.file.path.clone(),
            date: self.file.date.clone(),
            rows: self.file.rows,
            bytes: self.file.bytes,
            stats: self.file.stats.clone(),
            written_at_ms: self.file.written_at_ms,
        };
        Write::Put { key: self.key(table), body: body.encode_to_vec().into(), condition: Condition::Absent }
    }

    pub(crate) fn key(&self, table: TableName) -> Key {
        Key::new(outbox_partition(table), self.name.clone())
    }

    pub(crate) fn read(name: String, body: Bytes) -> Result<Self, BadItem> {
        let stored = StoredFile::decode(body).map_err(|e| BadItem::new("outbox entry", e))?;
        Ok(Self {
            name,
            partition: PartitionId::new(stored.partition),
            file: DataFile {
                path: stored.path,
                date: stored.date,
                rows: stored.rows,
                bytes: stored.bytes,
                stats: stored.stats,
                written_at_ms: stored.written_at_ms,
            },
        })
    }
}

/// Entries of one read.
const PAGE: usize = 1000;

/// Paths of the files that wait to be committed to `table`: whoever sweeps must leave them alone.
pub async fn waiting_files(state: &impl State, table: TableName) -> Result<Vec<String>, crate::CommitError> {
    let mut paths = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = state.query(&outbox_partition(table), "", after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|item| item.key.sort.clone());
        for item in page {
            paths.push(OutboxEntry::read(item.key.sort, item.body)?.file.path);
        }
        if is_last {
            return Ok(paths);
        }
    }
}
