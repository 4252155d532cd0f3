//! The decoders, each with what it promises of whatever it lets through.

use bytes::Bytes;
use cdp_app::ProfileItem;
use cdp_event::{
    Envelope, Event, EventKind, MAX_EVENT_BYTES, MAX_EVENTS_OF_A_RECORD, MAX_INFLATED_BYTES, Namespace, Offset,
    PartitionId, Parts, RawEvent, Record, Sequence, Timestamp, aggregate, deaggregate, decode, validate,
};
use cdp_identity::{Claim, Founded, ProfileId, SetItem};
use cdp_profile::{InFlight, Member};

use crate::seeds::{self, MOMENT, raw};
use crate::{fuzz, fuzz_one_in};

pub const JSON: [&[u8]; 40] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"\\",
    b"null",
    b"true",
    b"1e400",
    b"-0",
    b"0.1",
    b"\\u0000",
    b"\\ud83d",
    b"\\ude00",
    b"\\\\",
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"11111111111111111111111111111111111111111",
    b"\"userId\":",
    b"\"anonymousId\":\"a\",",
    b"\"type\":\"alias\",",
    b"\"type\":\"group\",",
    b"\"previousId\":\"p\",",
    b"\"groupId\":\"g\",",
    b"\"messageId\":\"m\",",
    b"\"context\":{",
    b"\"traits\":{",
    b"\"device\":{\"id\":\"d\",\"type\":\"ios\"},",
    b"\"externalIds\":[",
    b"\"id\":",
    b"\"revenue\":",
    b"\"timestamp\":\"0001-01-01T00:00:00Z\",",
    b"\"sentAt\":\"9999-12-31T23:59:59Z\",",
    b"\"timestamp\":\"2199-12-31T23:59:59.999Z\",",
    b"\"originalTimestamp\":\"1900-01-01T00:00:00Z\",",
    b"   ",
];

/// What everything after validation relies on.
fn check_event(event: &Event<'_>, raw: &RawEvent<'_>) {
    assert!(!event.identifiers.is_empty());
    for (at, identifier) in event.identifiers.iter().enumerate() {
        assert!(!event.identifiers[..at].contains(identifier), "{identifier} twice");
        assert!((1..=500).contains(&identifier.value.len()), "{identifier}");
        assert!(identifier.namespace.as_str().parse::<Namespace>().is_ok(), "{identifier}");
    }
    assert!(event.alias.iter().all(|alias| !event.identifiers.contains(alias)));
    assert!(event.alias.is_none() || event.kind == EventKind::Alias);
    let moments = [Some(event.timestamp), Some(event.received_at), event.original_timestamp, event.sent_at];
    assert!(moments.into_iter().flatten().all(Timestamp::is_in_range), "{moments:?}");
    assert!(event.timestamp <= event.received_at.plus_ms(3_600_000));
    assert!((1..=400).contains(&event.message_id.len()) && !event.label().is_empty());
    assert!(event.facts.revenue.is_none_or(f64::is_finite));
    for json in [&event.properties, &event.traits, &event.context].into_iter().flatten() {
        assert!(json.starts_with('{') && serde_json::from_str::<&serde_json::value::RawValue>(json).is_ok(), "{json}");
    }
    assert_eq!(Ok(event), validate(raw).as_ref(), "the same again");
}

fn check_raw(raw: &RawEvent<'_>) {
    match validate(raw) {
        Ok(event) => check_event(&event, raw),
        Err(rejection) => {
            assert!(rejection.field.as_deref() != Some("") && !rejection.detail.is_empty(), "{rejection:?}");
            assert_eq!(validate(raw), Err(rejection));
        }
    }
    assert!(raw.bytes.len() <= MAX_EVENT_BYTES || validate(raw).is_err());
}

pub fn check_record(data: &[u8]) {
    let record = Record {
        sequence: Sequence::from(7),
        arrived_at: MOMENT,
        partition_key: "k".into(),
        data: Bytes::copy_from_slice(data),
    };
    let parts = Parts::of(&record);
    let mut count = 0;
    for part in decode(&record, &parts, "fuzz") {
        assert_eq!((part.offset.sub, part.arrived_at), (count, MOMENT));
        count += 1;
        if let Ok(raw) = part.event {
            check_raw(&raw);
        }
    }
    assert!(count as usize == parts.len() && count > 0, "a record becomes one part or more");
    assert!(count as usize <= MAX_EVENTS_OF_A_RECORD);
    assert!(
        parts.weight() <= data.len() + MAX_INFLATED_BYTES + 64 * count as usize,
        "{} bytes are held",
        parts.weight()
    );
}

#[test]
fn events_that_are_accepted_are_sound() {
    fuzz(&seeds::events(), &JSON, |bytes| check_raw(&raw(bytes, Offset::default())));
}

#[test]
fn envelopes_that_are_unwrapped_are_wrapped_again() {
    fuzz(&seeds::envelopes(), &JSON, |bytes| {
        if let Some(Ok((envelope, event))) = Envelope::unwrap(bytes) {
            assert!(envelope.received_at.is_in_range());
            assert_eq!(Envelope::unwrap(&envelope.wrap(event)), Some(Ok((envelope, event))));
        }
        check_record(bytes);
    });
}

#[test]
fn aggregates_come_apart_or_stay_whole() {
    fuzz(&seeds::aggregates(), &[b"\xf3\x89\x9a\xc2", b"\xc1cdp", b"\x08\x01", b"\x1a\x00", b"\x0a\x01a"], |bytes| {
        check_record(bytes);
        // Damage seldom leaves the digest right: the protobuf behind it gets its share too.
        let inside = bytes.get(4..bytes.len().saturating_sub(16)).unwrap_or_default();
        if let Some(parts) = deaggregate(&with_digest(inside)) {
            let keyed: Vec<(&str, &[u8])> = parts.iter().map(|part| ("k", &part[..])).collect();
            assert_eq!(deaggregate(&aggregate(&keyed)), Some(parts));
        }
        check_record(&with_digest(inside));
    });
}

/// Damaged as it is sent, and damaged before it was compressed.
#[test]
fn compressed_records_come_apart_or_are_refused_whole() {
    fuzz_one_in(10, &seeds::compressed(), &[b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xff\xff\xff\xff"], check_record);
    let inside = [seeds::aggregates(), seeds::events()].concat();
    fuzz_one_in(10, &inside, &[b"\n", b"\n\n\n", b"\xf3\x89\x9a\xc2"], |bytes| {
        check_record(&seeds::zstd(bytes));
    });
}

pub fn with_digest(body: &[u8]) -> Bytes {
    use md5::{Digest, Md5};
    [&cdp_event::KPL_MAGIC[..], body, Md5::digest(body).as_slice()].concat().into()
}

#[test]
fn what_anybody_sends_comes_back_out_of_its_wrapping() {
    fuzz(&seeds::events(), &JSON, |bytes| {
        let whole = aggregate(&[("a", bytes), ("b", b""), ("a", bytes)]);
        let parts = deaggregate(&whole).expect("an aggregate");
        assert_eq!(parts, [Bytes::copy_from_slice(bytes), Bytes::new(), Bytes::copy_from_slice(bytes)]);
    });
}

#[test]
fn stored_items_that_are_read_are_written_again() {
    fuzz(&seeds::claims(), &[], |bytes| {
        if let Ok(claim) = Claim::decode(Bytes::copy_from_slice(bytes)) {
            assert_eq!(Claim::decode(claim.encode()).expect("what was written is read"), claim);
            let read = claim.founded.map(|founded| founded.read(claim.profile));
            if let Some(Ok(set)) = read {
                let again = Founded::with(&set).read(claim.profile).expect("what was written is read");
                assert_eq!((again.held, again.revision), (set.held, set.revision));
            }
        }
    });
    fuzz(&seeds::sets(), &[], |bytes| {
        if let Ok(set) = SetItem::decode(Bytes::copy_from_slice(bytes)) {
            assert_eq!(SetItem::decode(set.encode()).expect("what was written is read"), set);
        }
    });
}

/// A profile that was read takes events, and forgets.
fn goes_on(mut member: Member, events: &[Vec<u8>]) {
    let (partition, offset) = seeds::place();
    for event in events {
        if let Ok(event) = validate(&raw(event, offset)) {
            member.apply(&partition, &event, event.received_at);
        }
    }
    member.forget(&NothingReturns, MOMENT);
}

struct NothingReturns;

impl InFlight for NothingReturns {
    fn may_return(&self, _: &PartitionId, _: Offset) -> bool {
        false
    }
}

#[test]
fn stored_profiles_that_are_read_are_written_again() {
    let events = seeds::events();
    fuzz_one_in(4, &seeds::profiles(), &[], |bytes| {
        let id = ProfileId::from_bytes([1; 16]);
        if let Ok(profile) = ProfileItem::decode(Bytes::copy_from_slice(bytes), id) {
            let written = profile.clone().encode();
            goes_on(profile.member, &events);
            assert_eq!(ProfileItem::decode(written.clone(), id).expect("what was written is read").encode(), written);
        }
    });
}

#[test]
fn texts_that_are_parsed_are_printed_and_parsed_again() {
    let texts = [
        "2026-01-31T09:30:00.000Z",
        "2016-12-31T23:59:60+00:00",
        "-000044-03-15T12:00:00Z",
        "49590338271490256608559692538361571095921575989136588898",
        "prf_01kg9vmy9g8d3m5n7p9r1t3w5z",
        "ios.push_token",
    ];
    let texts = texts.map(|text| text.as_bytes().to_vec());
    fuzz(
        &texts,
        &[b"9999", b"T", b"Z", b"+23:59", b"[Europe/Berlin]", b".999999999", b"-", b"0000", b"prf_", "٢".as_bytes()],
        |bytes| {
            let Ok(text) = std::str::from_utf8(bytes) else { return };
            if let Ok(moment) = text.parse::<Timestamp>() {
                assert_eq!(moment.to_string().parse(), Ok(moment));
                assert!(!moment.is_in_range() || moment.date().len() == 10);
            }
            if let Ok(sequence) = text.parse::<Sequence>() {
                assert_eq!(sequence.to_string().parse(), Ok(sequence));
                assert_eq!(Sequence::from_be_bytes(&sequence.to_be_bytes()), Some(sequence));
            }
            if let Ok(id) = text.parse::<ProfileId>() {
                assert_eq!(id.to_string(), text);
            }
            if let Ok(namespace) = text.parse::<Namespace>() {
                assert_eq!(namespace.as_str(), text);
            }
        },
    );
}
