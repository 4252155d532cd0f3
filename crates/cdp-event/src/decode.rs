//! Takes records out of their wrappings: KPL aggregates into their user records, envelopes off each event.

use std::borrow::Cow;

use bytes::Bytes;

use crate::{Envelope, Offset, RawEvent, Reason, Record, Rejection, Timestamp, deaggregate};

/// A record's parts: itself, or the user records of a KPL aggregate.
pub struct Parts {
    parts: Vec<Bytes>,
    aggregated: bool,
}

/// What one part of a record, or one row of a file, holds. What is rejected still has its place and its bytes.
pub struct Decoded<'a> {
    pub offset: Offset,
    /// When the platform took it in; its date is the table's partition.
    pub arrived_at: Timestamp,
    pub source: Cow<'a, str>,
    /// What a request said of it, outside of `bytes`: an envelope without its event. Empty: nothing.
    pub envelope: &'a [u8],
    /// As they came, for quarantine.
    pub bytes: &'a [u8],
    pub event: Result<RawEvent<'a>, Rejection>,
}

impl Parts {
    pub fn of(record: &Record) -> Self {
        match deaggregate(&record.data) {
            Some(parts) if !parts.is_empty() => Self { parts, aggregated: true },
            Some(_) | None => Self { parts: vec![record.data.clone()], aggregated: false },
        }
    }

    pub fn len(&self) -> usize {
        self.parts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub fn is_aggregated(&self) -> bool {
        self.aggregated
    }
}

/// The events of a record whose parts are `parts`. Plain records come from `source`; an envelope names its own.
pub fn decode<'a>(record: &Record, parts: &'a Parts, source: &'a str) -> impl Iterator<Item = Decoded<'a>> {
    let (sequence, arrived_at) = (record.sequence, record.arrived_at);
    parts.parts.iter().zip(0u32..).map(move |(bytes, sub)| {
        let offset = Offset::new(sequence, sub);
        let part: &[u8] = bytes;
        let (source, bytes, event) = match Envelope::unwrap(part) {
            None => {
                let plain = RawEvent::plain(offset, source, arrived_at, part);
                (Cow::Borrowed(source), part, Ok(plain))
            }
            Some(Ok((envelope, bytes))) => {
                (Cow::Owned(envelope.source.clone()), bytes, out_of(envelope, offset, bytes))
            }
            Some(Err(rejection)) => (Cow::Borrowed(source), part, Err(rejection)),
        };
        let envelope = part.get(..part.len() - bytes.len()).unwrap_or_default();
        Decoded { offset, arrived_at, source, envelope, bytes, event }
    })
}

/// The event that stood in an envelope. A head alone is none, nor is what was refused before.
fn out_of(envelope: Envelope, offset: Offset, bytes: &[u8]) -> Result<RawEvent<'_>, Rejection> {
    let cut = envelope.whole_bytes.map(|whole_bytes| {
        Rejection::new(
            Reason::TooLarge,
            format!("the event has {whole_bytes} bytes; the first {} are kept", bytes.len()),
        )
    });
    match (envelope.refused, cut) {
        (None, None) => {}
        (Some(refused), Some(cut)) => {
            return Err(Rejection { detail: format!("{}; {}", refused.detail, cut.detail), ..refused });
        }
        (Some(rejection), None) | (None, Some(rejection)) => return Err(rejection),
    }
    Ok(RawEvent {
        offset,
        source: Cow::Owned(envelope.source),
        received_at: envelope.received_at,
        sent_at: envelope.sent_at,
        kind: envelope.kind,
        context: envelope.context.map(Cow::Owned),
        bytes,
    })
}
