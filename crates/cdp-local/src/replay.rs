//! Replay: what was refused goes through the stream again, where other rules or a newer version may take it.
//!
//! Each row is replayed at most once: it is marked in State before it is appended, so a replay that broke off goes on
//! behind what it had marked. A row that is refused again is a new row, and can be replayed like any other.
//!
//! A webhook's row is mapped again: what is in the table is the row, not the event that its mapping could not make.

use bytes::Bytes;
use cdp_event::{Decoded, Envelope, Rejection, Timestamp};
use cdp_ports::{
    Condition, FaultKind, Key, MAX_TRANSACTION_ITEMS, NewRecord, PortError, State, Stream, Transaction, Write,
};
use cdp_webhooks::Webhook;

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
    pub webhooks: &'r [Webhook],
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
        let records = rows.iter().flat_map(|row| row.records(self.webhooks)).collect();
        let Err(error) = self.stream.append(records, now).await else {
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

    fn records(&self, webhooks: &[Webhook]) -> Vec<NewRecord> {
        let webhook = webhooks.iter().find(|webhook| webhook.name() == self.source);
        let Some(batch) = webhook.and_then(|webhook| webhook.events_again(&self.bytes)) else {
            return vec![self.record(&self.bytes, None)];
        };
        let rows = batch.decoded(&self.source, self.received_at).into_iter();
        let record = |row: Decoded<'_>| match row.event {
            Ok(event) => self.record(event.bytes, None),
            Err(rejection) => self.record(row.bytes, Some(rejection)),
        };
        rows.map(record).collect()
    }

    fn record(&self, event: &[u8], refused: Option<Rejection>) -> NewRecord {
        let envelope = Envelope {
            source: self.source.clone(),
            received_at: self.received_at,
            sent_at: None,
            kind: None,
            context: None,
            whole_bytes: None,
            refused,
        };
        NewRecord {
            partition_key: format!("{}.{}", self.sequence, self.sub),
            explicit_hash_key: None,
            data: envelope.wrap(event).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use cdp_event::Reason;

    use super::*;

    #[test]
    fn a_webhooks_row_is_mapped_again_and_all_else_goes_as_it_is() {
        let settings = r#"{"scheme":"github","mapping":{"user_id":"id","event":"E"}}"#;
        let settings = serde_json::from_str(settings).expect("settings");
        let webhooks = [Webhook::new("repo", &settings, ["a secret"]).expect("sound")];
        let no_identifier = Some(Reason::NoIdentifier);
        for (source, bytes, expected, refused) in [
            ("repo", r#"{"@delivery":"d","id":7}"#, r#"{"type":"track","messageId":"repo:d","userId":"7","#, None),
            ("repo", r#"{"@delivery":"d"}"#, r#"{"@delivery":"d"}"#, no_identifier),
            ("repo", r#"{"type":"track"}"#, r#"{"type":"track"}"#, None),
            ("web", r#"{"@delivery":"d","id":7}"#, r#"{"@delivery":"d","id":7}"#, None),
        ] {
            let row = RefusedRow {
                partition: "shard-0".into(),
                sequence: "1".into(),
                sub: 0,
                source: source.into(),
                received_at: Timestamp::from_ms(0),
                bytes: Bytes::from_static(bytes.as_bytes()),
            };
            let records = row.records(&webhooks);
            let [record] = &records[..] else { panic!("{bytes}: {} records", records.len()) };
            let (envelope, event) = Envelope::unwrap(&record.data).expect("an envelope").expect("a whole one");
            assert!(event.starts_with(expected.as_bytes()), "{bytes}: {}", event.escape_ascii());
            assert_eq!((envelope.source.as_str(), envelope.refused.map(|refused| refused.reason)), (source, refused));
        }
    }
}
