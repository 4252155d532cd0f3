//! A row of `events` is a tracking call again, in the envelope that it once came in. Ingest makes the same row of it, but for
//! where and when it is taken in.

use arrow::array::{Array, AsArray, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::record_batch::RecordBatch;
use cdp_event::{Envelope, MAX_EVENT_BYTES, Timestamp};
use cdp_ports::{LakeReader, NewRecord, PortResult};
use serde::Serialize;
use serde_json::value::RawValue;

use super::page::Page;

pub(super) async fn records(lake: &impl LakeReader, page: &Page) -> PortResult<Vec<NewRecord>> {
    page.read(lake, |batch| {
        let rows = Rows::of(batch)?;
        (0..batch.num_rows()).map(|at| rows.record(at)).collect()
    })
    .await
}

/// A call's body. Facts like `revenue` stand in its JSON parts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Call<'r> {
    #[serde(rename = "type")]
    kind: &'r str,
    message_id: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anonymous_id: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_id: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'r str>,
    /// With `originalTimestamp` beside it, it is taken as corrected. A producer that sent neither is given the time of receipt
    /// again.
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traits: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'r RawValue>,
}

struct Rows<'b> {
    batch: &'b RecordBatch,
    timestamp: &'b TimestampMicrosecondArray,
    original_timestamp: &'b TimestampMicrosecondArray,
    received_at: &'b TimestampMicrosecondArray,
    sent_at: &'b TimestampMicrosecondArray,
}

impl<'b> Rows<'b> {
    fn of(batch: &'b RecordBatch) -> Option<Self> {
        let moments = |name: &str| batch.column_by_name(name)?.as_primitive_opt::<TimestampMicrosecondType>();
        Some(Self {
            batch,
            timestamp: moments("timestamp")?,
            original_timestamp: moments("original_timestamp")?,
            received_at: moments("received_at")?,
            sent_at: moments("sent_at")?,
        })
    }

    fn text(&self, name: &str, at: usize) -> Option<&'b str> {
        let column: &StringArray = self.batch.column_by_name(name)?.as_string_opt::<i32>()?;
        column.is_valid(at).then(|| column.value(at))
    }

    fn json(&self, name: &str, at: usize) -> Option<&'b RawValue> {
        serde_json::from_str(self.text(name, at)?).ok()
    }

    fn record(&self, at: usize) -> Option<NewRecord> {
        let moment = |column: &TimestampMicrosecondArray| {
            column.is_valid(at).then(|| Timestamp::from_ms(column.value(at).div_euclid(1000)))
        };
        let original = moment(self.original_timestamp);
        let timestamp = moment(self.timestamp).filter(|_| original.is_some());
        let call = Call {
            kind: self.text("type", at)?,
            message_id: self.text("message_id", at)?,
            user_id: self.text("user_id", at),
            anonymous_id: self.text("anonymous_id", at),
            group_id: self.text("group_id", at),
            previous_id: self.text("previous_id", at),
            event: self.text("event", at),
            name: self.text("name", at),
            timestamp: timestamp.map(|moment| moment.to_string()),
            original_timestamp: original.map(|moment| moment.to_string()),
            properties: self.json("properties", at),
            traits: self.json("traits", at),
            context: self.json("context", at),
        };
        let mut envelope = Envelope {
            sent_at: moment(self.sent_at),
            ..Envelope::new(self.text("source", at)?.to_owned(), moment(self.received_at)?)
        };
        Some(NewRecord {
            // The events of one device keep their order.
            partition_key: self.text("profile_id", at)?.to_owned(),
            explicit_hash_key: None,
            data: envelope_of(call, &mut envelope)?.into(),
        })
    }
}

/// Context that a whole request shared is in the row of each of its events: what is too long with it is sent as it came, with
/// its context in the envelope.
fn envelope_of(mut call: Call<'_>, envelope: &mut Envelope) -> Option<Vec<u8>> {
    let mut body = serde_json::to_vec(&call).ok()?;
    if body.len() > MAX_EVENT_BYTES {
        envelope.context = call.context.take().map(|context| context.get().to_owned());
        body = serde_json::to_vec(&call).ok()?;
    }
    Some(envelope.wrap(&body))
}

#[cfg(test)]
mod tests;
