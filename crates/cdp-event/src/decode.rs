//! Takes records out of their wrappings: KPL aggregates into their user records, compressed ones into their lines, envelopes off
//! each event.

use std::borrow::Cow;

use bytes::Bytes;

use crate::compressed::{MAX_INFLATED_BYTES, inflate, lines};
use crate::{Envelope, Offset, RawEvent, Reason, Record, Rejection, Timestamp, deaggregate};

/// More in one record are not taken apart: each costs memory, however small it is.
pub const MAX_EVENTS_OF_A_RECORD: usize = 10_000;

/// Of an event that no record could hold by itself, so much is kept.
const KEPT_BYTES: usize = 64 << 10;
const MAX_RECORD_BYTES: usize = 1 << 20;

/// A record's parts: itself, the user records of a KPL aggregate, or the lines of what was compressed.
pub struct Parts {
    parts: Vec<Part>,
    weight: usize,
}

struct Part {
    bytes: Bytes,
    /// Why it is no event.
    refused: Option<Box<Rejection>>,
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
    /// At least one.
    pub fn of(record: &Record) -> Self {
        Self::apart(&record.data).unwrap_or_else(|rejection| Self {
            parts: vec![Part { bytes: record.data.clone(), refused: Some(Box::new(rejection)) }],
            weight: record.data.len(),
        })
    }

    /// What is wrong with one of a record's parts refuses that part; what there is too much of, the record.
    fn apart(data: &Bytes) -> Result<Self, Rejection> {
        let (mut parts, mut inflated) = (Vec::with_capacity(1), 0);
        let aggregate = deaggregate(data).filter(|records| !records.is_empty());
        let itself = aggregate.is_none().then(|| data.clone());
        for part in aggregate.into_iter().flatten().chain(itself) {
            match inflate(&part, MAX_INFLATED_BYTES - inflated) {
                None => parts.push(Part { bytes: part, refused: None }),
                Some(Ok(inside)) => {
                    inflated += inside.len();
                    let events = events_in(&inside);
                    if events.is_empty() {
                        let nothing = Rejection::new(Reason::BadEnvelope, "the record inflates to no event");
                        parts.push(Part { bytes: part, refused: Some(Box::new(nothing)) });
                    } else if parts.len() + events.len() <= MAX_EVENTS_OF_A_RECORD {
                        parts.extend(events.into_iter().map(Part::of_event));
                    } else {
                        return Err(too_many());
                    }
                }
                Some(Err(rejection)) if rejection.reason == Reason::TooLarge => return Err(rejection),
                Some(Err(rejection)) => parts.push(Part { bytes: part, refused: Some(Box::new(rejection)) }),
            }
            if parts.len() > MAX_EVENTS_OF_A_RECORD {
                return Err(too_many());
            }
        }
        let weight = data.len() + inflated + parts.len() * size_of::<Part>();
        Ok(Self { parts, weight })
    }

    pub fn len(&self) -> usize {
        self.parts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Bytes of memory that they hold, as long as one of them is held.
    pub fn weight(&self) -> usize {
        self.weight
    }
}

impl Part {
    fn of_event(bytes: Bytes) -> Self {
        if bytes.len() < MAX_RECORD_BYTES {
            return Self { bytes, refused: None };
        }
        let detail = format!("the event has {} bytes; the first {KEPT_BYTES} are kept", bytes.len());
        Self { bytes: bytes.slice(..KEPT_BYTES), refused: Some(Box::new(Rejection::new(Reason::TooLarge, detail))) }
    }
}

/// Of what was compressed. Of too many, one more than there may be.
fn events_in(inflated: &Bytes) -> Vec<Bytes> {
    deaggregate(inflated).unwrap_or_else(|| lines(inflated).take(MAX_EVENTS_OF_A_RECORD + 1).collect())
}

fn too_many() -> Rejection {
    let detail = format!("the record holds more than {MAX_EVENTS_OF_A_RECORD} events; put fewer into one");
    Rejection::new(Reason::TooLarge, detail)
}

/// The events of a record whose parts are `parts`. Plain records come from `source`; an envelope names its own.
pub fn decode<'a>(record: &Record, parts: &'a Parts, source: &'a str) -> impl Iterator<Item = Decoded<'a>> {
    let (sequence, arrived_at) = (record.sequence, record.arrived_at);
    parts.parts.iter().zip(0u32..).map(move |(Part { bytes, refused }, sub)| {
        let offset = Offset::new(sequence, sub);
        let part: &[u8] = bytes;
        if let Some(rejection) = refused {
            let (source, event) = (Cow::Borrowed(source), Err(Rejection::clone(rejection)));
            return Decoded { offset, arrived_at, source, envelope: &[], bytes: part, event };
        }
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::{Sequence, aggregate};

    fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes.as_ref()).expect("memory");
        encoder.finish().expect("memory")
    }

    fn zstd(bytes: impl AsRef<[u8]>) -> Vec<u8> {
        zstd::encode_all(bytes.as_ref(), 1).expect("memory")
    }

    /// What a record comes to: `sub source bytes`, or `sub reason: detail`.
    fn told(data: Vec<u8>) -> Vec<String> {
        let (sequence, arrived_at) = (Sequence::from(7), Timestamp::default());
        let record = Record { sequence, arrived_at, partition_key: "k".into(), data: data.into() };
        let parts = Parts::of(&record);
        let one = |part: Decoded<'_>| match part.event {
            Ok(event) => format!("{} {} {}", part.offset.sub, event.source, String::from_utf8_lossy(event.bytes)),
            Err(rejection) => format!("{} {}: {}", part.offset.sub, rejection.reason.as_str(), rejection.detail),
        };
        decode(&record, &parts, "stream").map(one).collect()
    }

    #[test]
    fn a_compressed_record_is_the_events_that_it_holds() {
        let lines = "{\"n\":1}\r\n\n  {\"n\":2}\nno JSON\n";
        let each = ["0 stream {\"n\":1}", "1 stream {\"n\":2}", "2 stream no JSON"];
        let enveloped = Envelope::new("web".into(), Timestamp::default()).wrap(b"{}");
        for (data, expected) in [
            (lines.as_bytes().to_vec(), &["0 stream {\"n\":1}\r\n\n  {\"n\":2}\nno JSON\n"][..]),
            (gzip(lines), &each),
            (zstd(lines), &each),
            ([gzip("{}\n"), gzip("[]")].concat(), &["0 stream {}", "1 stream []"]),
            (
                aggregate(&[("k", &gzip("{}\n{}")), ("k", b"[]")]).to_vec(),
                &["0 stream {}", "1 stream {}", "2 stream []"],
            ),
            (zstd(aggregate(&[("k", b"{}"), ("k", &enveloped)])), &["0 stream {}", "1 web {}"]),
        ] {
            assert_eq!(told(data.clone()), expected, "{}", data.escape_ascii());
        }
    }

    #[test]
    fn what_cannot_be_inflated_is_refused_whole() {
        let cut = gzip("{\"n\":1}\n".repeat(100));
        let lines = |count| zstd("1\n".repeat(count));
        let zeros = zstd(vec![b'0'; 3 << 20]);
        for (data, expected) in [
            (cut[..cut.len() / 2].to_vec(), "0 bad_envelope: the record can't be inflated (gzip): "),
            (vec![0x28, 0xb5, 0x2f, 0xfd, 0xff], "0 bad_envelope: the record can't be inflated (zstd): "),
            (gzip(" \n\n"), "0 bad_envelope: the record inflates to no event"),
            (zstd(vec![b'0'; MAX_INFLATED_BYTES + 1]), "0 too_large: the record inflates to more than 4194304 bytes; "),
            (aggregate(&[("k", &zeros), ("k", &zeros)]).to_vec(), "0 too_large: the record inflates to more than "),
            (zeros, "0 too_large: the event has 3145728 bytes; the first 65536 are kept"),
            (lines(MAX_EVENTS_OF_A_RECORD + 1), "0 too_large: the record holds more than 10000 events; "),
        ] {
            let parts = told(data);
            assert!(parts.len() == 1 && parts[0].starts_with(expected), "{expected}: {parts:?}");
        }
        assert_eq!(told(lines(MAX_EVENTS_OF_A_RECORD)).len(), MAX_EVENTS_OF_A_RECORD);
    }
}
