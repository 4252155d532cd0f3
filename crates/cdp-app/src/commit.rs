//! Commit: the outbox to a table, in numbered plans. One committer a table; a second one does no harm.
//!
//! Plan n says which outbox entries it takes, on the condition that plan n-1 is done. Its files are committed with n as the
//! table's txn version, so after a crash, or beside another committer, the table itself says whether plan n happened.

use cdp_identity::BadItem;
use cdp_ports::{Condition, DataFile, Lake, PortError, State, TableName, Transaction, Version, Write};
use prost::Message;

use crate::OutboxEntry;
use crate::keys::{outbox_partition, plan_key};

/// Entries of one plan: their deletion and the plan's own end still fit one transaction.
const MAX_ENTRIES: usize = 99;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    pub plan: u64,
    pub files: usize,
    pub rows: u64,
    /// When the oldest of the files was landed.
    pub oldest_ms: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("{0}; build a deployment anew from the lake: docs/replay.md")]
    Stored(#[from] BadItem),
}

pub struct Committer<'c, S, L> {
    pub state: &'c S,
    pub lake: &'c L,
    pub table: TableName,
}

#[derive(Clone, PartialEq, Message)]
struct Plan {
    #[prost(uint64, tag = "1")]
    number: u64,
    #[prost(string, repeated, tag = "2")]
    entries: Vec<String>,
    #[prost(bool, tag = "3")]
    done: bool,
}

impl<S: State, L: Lake> Committer<'_, S, L> {
    /// Commits what is waiting, one plan's worth. `None`: nothing was waiting, or another committer was quicker.
    pub async fn commit(&self) -> Result<Option<Committed>, CommitError> {
        let current = self.load_plan().await?;
        if let Some((version, plan)) = &current
            && !plan.done
        {
            return self.finish(*version, plan).await.map(Some);
        }
        let waiting = self.state.query(&outbox_partition(self.table), "", None, MAX_ENTRIES).await?;
        if waiting.is_empty() {
            return Ok(None);
        }
        let before = current.as_ref().map_or(0, |(_, plan)| plan.number);
        let number = before.checked_add(1).ok_or_else(|| BadItem::new("plan", "no number comes after its own"))?;
        let version = current.map(|(version, _)| version);
        let entries = waiting.into_iter().map(|item| item.key.sort).collect();
        let plan = Plan { number, entries, done: false };
        match self.put_plan(&plan, version, vec![]).await {
            Ok(()) => self.finish(version.map_or(1, |version| version + 1), &plan).await.map(Some),
            Err(error) if error.is_stale() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Commits all that is waiting now.
    pub async fn drain(&self) -> Result<u64, CommitError> {
        let mut rows = 0;
        while let Some(committed) = self.commit().await? {
            rows = committed.rows.saturating_add(rows);
        }
        Ok(rows)
    }

    async fn finish(&self, version: Version, plan: &Plan) -> Result<Committed, CommitError> {
        let happened = |last: Option<u64>| last.is_some_and(|last| last >= plan.number);
        let mut committed = Committed { plan: plan.number, files: plan.entries.len(), rows: 0, oldest_ms: 0 };
        if !happened(self.lake.last_plan(self.table).await?) {
            let files = self.files(plan).await?;
            committed.rows = files.iter().fold(0, |rows, file| file.rows.saturating_add(rows));
            committed.oldest_ms = files.iter().map(|file| file.written_at_ms).min().unwrap_or_default();
            match self.lake.commit(self.table, plan.number, &files).await {
                Ok(()) => {}
                Err(error) if error.is_stale() && happened(self.lake.last_plan(self.table).await?) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let entries = plan.entries.iter().map(|name| Write::Delete {
            key: cdp_ports::Key::new(outbox_partition(self.table), name.clone()),
            condition: Condition::Any,
        });
        let done = Plan { number: plan.number, entries: vec![], done: true };
        match self.put_plan(&done, Some(version), entries.collect()).await {
            Ok(()) => Ok(committed),
            // Another committer has ended the same plan.
            Err(error) if error.is_stale() => Ok(committed),
            Err(error) => Err(error.into()),
        }
    }

    /// The plan's files. Another committer may have ended the plan, and its entries with it: then they are not needed.
    async fn files(&self, plan: &Plan) -> Result<Vec<DataFile>, CommitError> {
        let keys: Vec<_> =
            plan.entries.iter().map(|name| cdp_ports::Key::new(outbox_partition(self.table), name.clone())).collect();
        let items = self.state.get(&keys).await?;
        let mut files = Vec::with_capacity(items.len());
        for item in items.into_iter().flatten() {
            files.push(OutboxEntry::read(item.key.sort, item.body)?.file);
        }
        Ok(files)
    }

    async fn load_plan(&self) -> Result<Option<(Version, Plan)>, CommitError> {
        let Some(item) = self.state.get(&[plan_key(self.table)]).await?.pop().flatten() else { return Ok(None) };
        let plan = Plan::decode(item.body).map_err(|e| BadItem::new("plan", e))?;
        Ok(Some((item.version, plan)))
    }

    async fn put_plan(&self, plan: &Plan, expected: Option<Version>, mut writes: Vec<Write>) -> Result<(), PortError> {
        let condition = expected.map_or(Condition::Absent, Condition::At);
        writes.push(Write::Put { key: plan_key(self.table), body: plan.encode_to_vec().into(), condition });
        self.state.commit(Transaction { writes, durable: true }).await
    }
}
