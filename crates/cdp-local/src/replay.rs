//! Replay: what was refused goes through the stream again, where other rules or a newer version may take it.
//!
//! Each row is replayed at most once: it is marked in State before it is appended, so a replay that broke off goes on
//! behind what it had marked. A row that is refused again is a new row, and can be replayed like any other.

use bytes::Bytes;
use cdp_event::{Envelope, Timestamp};
use cdp_ports::{
    Condition, FaultKind, Key, MAX_TRANSACTION_ITEMS, NewRecord, PortError, State, Stream, Transaction, Write,
};

/// A row of the table `quarantine`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRow {
    pub partition: String,
    pub sequence: String,
    pub sub: i64,
    pub source: String,
    pub received_at: Timestamp,
    pub bytes: Bytes,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    pub replayed: u64,
    /// Replayed earlier.
    pub passed_over: u64,
}

pub struct Replay<'r, S, T> {
    pub state: &'r S,
    pub stream: &'r T,
}

impl<S: State, T: Stream> Replay<'_, S, T> {
    pub async fn replay(&self, rows: &[RefusedRow], now: Timestamp) -> Result<Replayed, PortError> {
        let mut outcome = Replayed::default();
        for chunk in rows.chunks(MAX_TRANSACTION_ITEMS) {
            let fresh = self.not_replayed(chunk).await?;
            outcome.passed_over += (chunk.len() - fresh.len()) as u64;
            if !fresh.is_empty() {
                self.append(&fresh, now).await?;
                outcome.replayed += fresh.len() as u64;
            }
        }
        Ok(outcome)
    }

    async fn not_replayed<'a>(&self, rows: &'a [RefusedRow]) -> Result<Vec<&'a RefusedRow>, PortError> {
        let keys: Vec<Key> = rows.iter().map(RefusedRow::mark).collect();
        let marks = self.state.get(&keys).await?;
        Ok(rows.iter().zip(marks).filter(|(_, mark)| mark.is_none()).map(|(row, _)| row).collect())
    }

    async fn append(&self, rows: &[&RefusedRow], now: Timestamp) -> Result<(), PortError> {
        let mark = |row: &&RefusedRow| Write::Put { key: row.mark(), body: Bytes::new(), condition: Condition::Absent };
        let writes = rows.iter().map(mark).collect();
        self.state.commit(Transaction { writes, durable: true }).await?;
        let Err(error) = self.stream.append(rows.iter().map(|row| row.record()).collect(), now).await else {
            return Ok(());
        };
        // `Busy` may have taken some of them: then the marks stay.
        if error.kind != FaultKind::Busy {
            let unmark = |row: &&RefusedRow| Write::Delete { key: row.mark(), condition: Condition::Any };
            self.state.commit(Transaction { writes: rows.iter().map(unmark).collect(), durable: true }).await?;
        }
        Err(error)
    }
}

impl RefusedRow {
    fn mark(&self) -> Key {
        Key::new(format!("replayed/{}", self.partition), format!("{:0>57}.{:010}", self.sequence, self.sub))
    }

    fn record(&self) -> NewRecord {
        let envelope = Envelope {
            source: self.source.clone(),
            received_at: self.received_at,
            sent_at: None,
            kind: None,
            context: None,
            whole_bytes: None,
        };
        NewRecord {
            partition_key: format!("{}.{}", self.sequence, self.sub),
            explicit_hash_key: None,
            data: envelope.wrap(&self.bytes).into(),
        }
    }
}
