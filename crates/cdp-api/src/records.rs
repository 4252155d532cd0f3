//! An event as a record of the stream: in its envelope, in the partition of its device, no larger than a record may be.

use std::borrow::Cow;

use cdp_event::Envelope;
use cdp_ports::NewRecord;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The longest partition key, in bytes.
const MAX_PARTITION_KEY_BYTES: usize = 256;

/// An event that no record can hold goes with as much of it as fits: it is refused behind the stream, and harms no other.
pub(crate) fn record_of(envelope: &Envelope, partition_key: String, event: &[u8], limit_bytes: usize) -> NewRecord {
    let mut data = envelope.wrap(event);
    if partition_key.len() + data.len() > limit_bytes {
        let of_head = Envelope { whole_bytes: Some(event.len() as u64), ..envelope.clone() };
        let room = limit_bytes.saturating_sub(partition_key.len() + of_head.wrap(b"").len());
        data = of_head.wrap(head(event, room));
    }
    NewRecord { partition_key, explicit_hash_key: None, data: data.into() }
}

/// Counts what went to the stream.
pub(crate) fn count(source: &str, sizes: impl Iterator<Item = usize>) {
    let (events, bytes) = sizes.fold((0, 0), |(events, bytes), size| (events + 1, bytes + size as u64));
    metrics::counter!("cdp_events_taken_total", "source" => source.to_owned()).increment(events);
    metrics::counter!("cdp_event_bytes_total", "source" => source.to_owned()).increment(bytes);
}

/// As much as fits; of text, whole characters.
fn head(event: &[u8], room: usize) -> &[u8] {
    let room = std::str::from_utf8(event).map_or(room.min(event.len()), |text| text.floor_char_boundary(room));
    event.get(..room).unwrap_or_default()
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Ids<'a> {
    #[serde(borrow, default)]
    anonymous_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    user_id: Option<&'a RawValue>,
}

/// What keeps one device's events in one partition, and so in order: its `anonymousId`, else the `userId`. An event without
/// both can't be anyone's; it is spread by its bytes.
pub(crate) fn partition_key(event: &str) -> String {
    let ids: Ids<'_> = serde_json::from_str(event).unwrap_or_default();
    let id = ids.anonymous_id.and_then(scalar).filter(|id| !id.is_empty()).or_else(|| ids.user_id.and_then(scalar));
    match id {
        Some(id) if id.is_empty() => digest(event.as_bytes()),
        Some(id) if id.len() > MAX_PARTITION_KEY_BYTES => digest(id.as_bytes()),
        Some(id) => id.into_owned(),
        None => digest(event.as_bytes()),
    }
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(bytes))
}

/// Text, or a number as its digits: many producers send numeric ids.
pub(crate) fn scalar(json: &RawValue) -> Option<Cow<'_, str>> {
    let json = json.get();
    match json.as_bytes().first()? {
        b'"' if !json.contains('\\') => json.get(1..json.len() - 1).map(Cow::Borrowed),
        b'"' => serde_json::from_str(json).ok().map(Cow::Owned),
        b'-' | b'0'..=b'9' => Some(Cow::Borrowed(json)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_device_has_one_partition_key() {
        for (event, expected) in [
            (r#"{"anonymousId":"a","userId":"u"}"#, "a"),
            (r#"{"userId":"u","context":{"anonymousId":"x"}}"#, "u"),
            (r#"{"anonymousId":"","userId":42}"#, "42"),
            (r#"{"anonymousId":null,"userId":"\u00fc\""}"#, "ü\""),
        ] {
            assert_eq!(partition_key(event), expected, "{event}");
        }
        let long = format!(r#"{{"userId":"{}"}}"#, "u".repeat(300));
        for event in ["5", "{}", r#"{"userId":{}}"#, r#"{"userId":""}"#, r#"{"userId":"a","userId":"b"}"#, &long] {
            assert_eq!(partition_key(event).len(), 32, "{event}");
        }
    }
}
