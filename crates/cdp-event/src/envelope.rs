//! What `collect` adds to an event on its way through the stream: who sent it, when, and what its request shared.
//!
//! An envelope is the magic bytes `C1 63 64 70`, the header's length (u32, little endian), the header (protobuf), and the
//! event's bytes just as they came. The first byte is no UTF-8, so no plain event is taken for an envelope.

use prost::Message;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{EventKind, Reason, Rejection, Timestamp};

const MAGIC: [u8; 4] = [0xC1, b'c', b'd', b'p'];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub source: String,
    pub received_at: Timestamp,
    pub sent_at: Option<Timestamp>,
    pub kind: Option<EventKind>,
    /// A JSON object that the event's own context is laid over.
    pub context: Option<String>,
    /// How long the event was, where no record could hold it: what is wrapped is its head then, to be refused with a reason.
    pub whole_bytes: Option<u64>,
    /// Why what is wrapped is no event, where that was found before the stream: a webhook's payload that can't be mapped.
    pub refused: Option<Rejection>,
    /// Of a row of a file, which comes by no stream.
    pub row: Option<FileRow>,
}

/// What a row of a file was read by, so that it can be read again without its file.
#[derive(Clone, PartialEq, Eq, Message, Serialize, Deserialize)]
pub struct FileRow {
    /// csv, json_lines, json_array or parquet.
    #[prost(string, tag = "1")]
    pub format: String,
    /// How many it came to. None: the row was refused whole.
    #[prost(uint32, tag = "2")]
    #[serde(default, skip_serializing_if = "is_zero")]
    pub events: u32,
    /// Of CSV, where they are not too long to be kept with each row.
    #[prost(string, repeated, tag = "3")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Of CSV.
    #[prost(string, tag = "4")]
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub delimiter: String,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[derive(Clone, PartialEq, Message)]
struct Header {
    #[prost(string, tag = "1")]
    source: String,
    #[prost(sint64, tag = "2")]
    received_at_ms: i64,
    #[prost(sint64, optional, tag = "3")]
    sent_at_ms: Option<i64>,
    #[prost(string, optional, tag = "4")]
    kind: Option<String>,
    #[prost(string, optional, tag = "5")]
    context: Option<String>,
    #[prost(uint64, optional, tag = "6")]
    whole_bytes: Option<u64>,
    #[prost(message, optional, tag = "7")]
    refused: Option<Refusal>,
    #[prost(message, optional, tag = "8")]
    row: Option<FileRow>,
}

#[derive(Clone, PartialEq, Message)]
struct Refusal {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, optional, tag = "2")]
    field: Option<String>,
    #[prost(string, tag = "3")]
    detail: String,
}

impl Envelope {
    /// That says no more than who sent it, and when it came.
    pub const fn new(source: String, received_at: Timestamp) -> Self {
        let (sent_at, kind, context, whole_bytes, refused, row) = (None, None, None, None, None, None);
        Self { source, received_at, sent_at, kind, context, whole_bytes, refused, row }
    }

    pub fn wrap(&self, event: &[u8]) -> Vec<u8> {
        let header = Header::from(self);
        let length = header.encoded_len();
        let mut wrapped = Vec::with_capacity(MAGIC.len() + 4 + length + event.len());
        wrapped.extend_from_slice(&MAGIC);
        wrapped.extend_from_slice(&(length as u32).to_le_bytes());
        header.encode_raw(&mut wrapped);
        wrapped.extend_from_slice(event);
        wrapped
    }

    /// `None` when `bytes` do not begin as an envelope does.
    pub fn unwrap(bytes: &[u8]) -> Option<Result<(Self, &[u8]), Rejection>> {
        let wrapped = bytes.strip_prefix(&MAGIC)?;
        let broken = || Rejection::new(Reason::BadEnvelope, "the envelope's header can't be read");
        let parts = wrapped
            .split_first_chunk::<4>()
            .and_then(|(length, rest)| rest.split_at_checked(u32::from_le_bytes(*length) as usize));
        let Some((header, event)) = parts else { return Some(Err(broken())) };
        let envelope = Header::decode(header).map(Self::from).map_err(|_| broken());
        Some(envelope.and_then(|envelope| {
            if envelope.received_at.is_in_range() { Ok((envelope, event)) } else { Err(never_received()) }
        }))
    }
}

/// What a request says of all its events at once, and when it came. As JSON, it is part of the `quarantine` table's contract.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    received_at: String,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sent_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    context: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    row: Option<FileRow>,
}

impl Envelope {
    /// What the request said of the event outside of it, as JSON. `None`: nothing.
    pub fn request(&self) -> Option<String> {
        let Self { received_at, kind, sent_at, context, row, .. } = self;
        let request = Request {
            received_at: received_at.to_string(),
            kind: kind.map(|kind| kind.as_str().to_owned()),
            sent_at: sent_at.map(|sent_at| sent_at.to_string()),
            context: context.clone().and_then(|context| RawValue::from_string(context).ok()),
            row: row.clone(),
        };
        let Request { kind, sent_at, context, row, .. } = &request;
        let says_nothing = kind.is_none() && sent_at.is_none() && context.is_none() && row.is_none();
        if says_nothing { None } else { serde_json::to_string(&request).ok() }
    }

    /// Says what [`Envelope::request`] told. `None`: it can't be read, as when a newer release wrote it.
    pub fn with_request(self, json: &str) -> Option<Self> {
        let Request { received_at, kind, sent_at, context, row } = serde_json::from_str(json).ok()?;
        Some(Self {
            received_at: received_at.parse().ok()?,
            kind: kind.map(|kind| kind.parse()).transpose().ok()?,
            sent_at: sent_at.map(|sent_at| sent_at.parse()).transpose().ok()?,
            context: context.map(|context| context.get().to_owned()),
            row,
            ..self
        })
    }
}

fn never_received() -> Rejection {
    Rejection::new(Reason::BadEnvelope, "the envelope's time of receipt is out of range")
}

impl From<&Envelope> for Header {
    fn from(envelope: &Envelope) -> Self {
        Self {
            source: envelope.source.clone(),
            received_at_ms: envelope.received_at.as_ms(),
            sent_at_ms: envelope.sent_at.map(Timestamp::as_ms),
            kind: envelope.kind.map(|kind| kind.as_str().to_owned()),
            context: envelope.context.clone(),
            whole_bytes: envelope.whole_bytes,
            refused: envelope.refused.as_ref().map(Refusal::from),
            row: envelope.row.clone(),
        }
    }
}

impl From<Header> for Envelope {
    fn from(header: Header) -> Self {
        Self {
            source: header.source,
            received_at: Timestamp::from_ms(header.received_at_ms),
            sent_at: header.sent_at_ms.map(Timestamp::from_ms),
            kind: header.kind.and_then(|kind| kind.parse().ok()),
            context: header.context,
            whole_bytes: header.whole_bytes,
            refused: header.refused.map(Rejection::from),
            row: header.row,
        }
    }
}

impl From<&Rejection> for Refusal {
    fn from(rejection: &Rejection) -> Self {
        let Rejection { reason, field, detail } = rejection;
        Self { reason: reason.as_str().to_owned(), field: field.clone(), detail: detail.clone() }
    }
}

impl From<Refusal> for Rejection {
    /// A reason that is not known here was written by a newer version: the refusal stands.
    fn from(refusal: Refusal) -> Self {
        let Refusal { reason, field, detail } = refusal;
        match Reason::ALL.into_iter().find(|known| known.as_str() == reason) {
            Some(reason) => Self { reason, field, detail },
            None => Self { reason: Reason::BadEnvelope, field, detail: format!("{reason}: {detail}") },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> FileRow {
        FileRow { format: "csv".into(), events: 2, columns: vec!["id".into(), "day".into()], delimiter: ";".into() }
    }

    fn envelope() -> Envelope {
        Envelope {
            source: "web".into(),
            received_at: Timestamp::from_ms(1_740_789_266_435),
            sent_at: Some(Timestamp::from_ms(-5)),
            kind: Some(EventKind::Track),
            context: Some(r#"{"ip":"10.0.0.1"}"#.into()),
            whole_bytes: Some(2_000_000),
            refused: Some(Rejection::of("data.id", Reason::NoIdentifier, "nobody is named")),
            row: Some(row()),
        }
    }

    #[test]
    fn what_was_wrapped_comes_out_unchanged() {
        let bytes = envelope().wrap(b"{\"event\":\"A\"}");
        assert_eq!(Envelope::unwrap(&bytes), Some(Ok((envelope(), b"{\"event\":\"A\"}".as_slice()))));
    }

    #[test]
    fn a_reason_of_a_newer_version_is_still_a_refusal() {
        let refusal = Refusal { reason: "too_blue".into(), field: None, detail: "it is blue".into() };
        assert_eq!(Rejection::from(refusal), Rejection::new(Reason::BadEnvelope, "too_blue: it is blue"));
    }

    #[test]
    fn what_a_request_said_is_said_again() {
        let (kind, sent_at, context) = (Some(EventKind::Track), Some(Timestamp::from_ms(5)), Some(r#"{"ip":"::1"}"#));
        for (kind, sent_at, context, row) in [
            (kind, sent_at, context, Some(row())),
            (None, sent_at, None, None),
            (kind, None, context, None),
            (None, None, None, Some(FileRow { format: "parquet".into(), ..FileRow::default() })),
        ] {
            let said = Envelope { kind, sent_at, context: context.map(str::to_owned), row, ..envelope() };
            let nothing = Envelope { kind: None, sent_at: None, context: None, row: None, ..envelope() };
            assert_eq!(nothing.request(), None);
            // It came again later, and is taken as it came first.
            let later = Envelope { received_at: Timestamp::from_ms(1_750_000_000_000), ..nothing };
            assert_eq!(later.clone().with_request(&said.request().expect("it says something")), Some(said));
            for unread in ["", "{}", r#"{"receivedAt":"2026-01-31T09:00:00Z","type":"wink"}"#] {
                assert_eq!(later.clone().with_request(unread), None, "{unread}");
            }
        }
    }

    #[test]
    fn a_plain_event_is_no_envelope() {
        assert_eq!(Envelope::unwrap(b"{}"), None);
        assert_eq!(Envelope::unwrap(b""), None);
    }

    #[test]
    fn a_cut_envelope_is_refused_not_guessed() {
        let bytes = envelope().wrap(b"");
        for length in MAGIC.len()..bytes.len() {
            assert!(matches!(Envelope::unwrap(&bytes[..length]), Some(Err(_))), "cut to {length}");
        }
    }
}
