//! What must hold of any events in any order: applying commutes, a repeat is nothing new, and so for folding.

use bytes::Bytes;
use cdp_event::{Event, Offset, PartitionId, RawEvent, Timestamp, validate};
use cdp_identity::ProfileId;
use proptest::prelude::*;

use crate::{InFlight, Member, Outline, Person, RECENT_EVENTS, Verdict};

struct AllInFlight;

impl InFlight for AllInFlight {
    fn may_return(&self, _: &PartitionId, _: Offset) -> bool {
        true
    }
}

/// Event number `n` of a fixed cast: a track of some size or an identify, at a time that is not in the order of `n`.
fn json(n: u8) -> String {
    let at = Timestamp::from_ms(1_760_000_000_000 + i64::from(n.wrapping_mul(97)) * 1000);
    if n.is_multiple_of(3) {
        format!(
            r#"{{"type":"identify","userId":"u","messageId":"m{n}","timestamp":"{at}","traits":{{"plan":{n},"t{}":1}}}}"#,
            n % 5
        )
    } else {
        let (name, note) = (n % 4, "x".repeat(usize::from(n.wrapping_mul(101)) * 3));
        format!(
            r#"{{"type":"track","event":"E{name}","userId":"u","messageId":"m{n}","timestamp":"{at}","properties":{{"note":"{note}"}}}}"#
        )
    }
}

fn event(json: &str, sequence: u64) -> Event<'_> {
    let received_at = Timestamp::from_ms(1_760_100_000_000);
    let raw = RawEvent::plain(Offset::new(sequence.into(), 0), "test", received_at, json.as_bytes());
    validate(&raw).expect("a sound event")
}

fn applied(order: &[u8]) -> Member {
    applied_to(7, order)
}

fn applied_to(id: u8, order: &[u8]) -> Member {
    let mut member = Member::new(ProfileId::from_bytes([id; 16]));
    let partition = PartitionId::new("p");
    for (sequence, n) in order.iter().enumerate() {
        let json = json(*n);
        let event = event(&json, sequence as u64);
        member.apply(&partition, &event, event.received_at);
    }
    member
}

proptest! {
    #[test]
    fn any_order_of_events_makes_the_same_person(
        (events, shuffled) in prop::collection::btree_set(0u8..60, 1..40)
            .prop_map(|set| set.into_iter().collect::<Vec<_>>())
            .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle()))
    ) {
        prop_assert_eq!(Person::of([&applied(&events)]), Person::of([&applied(&shuffled)]));
    }

    #[test]
    fn recent_events_are_the_same_however_they_are_divided_among_profiles(
        events in prop::collection::btree_map(0u8..60, 0u8..4, 1..40)
    ) {
        let numbers = |part: Option<u8>| {
            let of_part = events.iter().filter(|(_, of)| part.is_none_or(|part| part == **of));
            of_part.map(|(n, _)| *n).collect::<Vec<_>>()
        };
        let parts: Vec<Member> = (0..4).map(|part| applied_to(part, &numbers(Some(part)))).collect();
        let recent = Person::of(&parts).recent;
        prop_assert_eq!(&recent, &Person::of([&applied(&numbers(None))]).recent);
        prop_assert_eq!(recent.len(), events.len().min(RECENT_EVENTS));
    }

    #[test]
    fn a_message_sent_again_is_counted_and_changes_nothing_else(events in prop::collection::vec(0u8..60, 1..60)) {
        let distinct: std::collections::BTreeSet<u8> = events.iter().copied().collect();
        let member = applied(&events);
        prop_assert_eq!(member.events as usize, distinct.len());
        prop_assert_eq!(member.duplicates as usize, events.len() - distinct.len());
    }

    #[test]
    fn a_delivery_that_is_repeated_from_anywhere_has_the_same_verdicts(
        events in prop::collection::vec(0u8..60, 1..60), from in 0usize..60
    ) {
        let partition = PartitionId::new("p");
        let json: Vec<String> = events.iter().map(|n| json(*n)).collect();
        let deliver = |member: &mut Member, from: usize| -> Vec<Verdict> {
            json.iter().enumerate().skip(from).map(|(at, json)| { let event = event(json, at as u64); member.apply(&partition, &event, event.received_at) }).collect()
        };
        let mut member = Member::new(ProfileId::from_bytes([7; 16]));
        let first = deliver(&mut member, 0);
        let before = member.clone();
        let from = from.min(events.len());
        prop_assert_eq!(&deliver(&mut member, from), &first[from..]);
        prop_assert_eq!(member, before);
    }

    #[test]
    fn what_had_no_room_is_refused_again_and_nothing_else(
        events in prop::collection::vec(0u8..60, 2..60), from in 0usize..60, through in 1usize..60
    ) {
        let partition = PartitionId::new("p");
        let (from, through) = (from % events.len(), through % events.len());
        let json: Vec<String> = events.iter().map(|n| json(*n)).collect();
        let deliver = |member: &mut Member| -> Vec<Verdict> {
            json.iter().enumerate().map(|(at, json)| { let event = event(json, at as u64); member.apply(&partition, &event, event.received_at) }).collect()
        };
        let mut member = applied(&events[..from]);
        member.refuse(&partition, Offset::new((through as u64).into(), 0));
        let first = deliver(&mut member);
        for (at, verdict) in first.iter().enumerate() {
            prop_assert_eq!(*verdict == Verdict::Refused, at >= from && at <= through, "{}", at);
        }
        let mut again = Member::decode(member.clone().encode(), member.id).expect("just encoded");
        prop_assert_eq!(&again, &member);
        prop_assert_eq!(deliver(&mut again), first);
    }

    #[test]
    fn folding_is_commutative_and_takes_each_member_once(parts in prop::collection::vec(prop::collection::vec(0u8..60, 1..10), 1..5)) {
        let members: Vec<Member> = parts
            .iter()
            .zip(0u8..)
            .map(|(part, id)| applied_to(id, part))
            .collect();
        let there = Person::of(&members);
        let back_twice = Person::of(members.iter().rev().chain(&members));
        prop_assert_eq!(there, back_twice);
    }

    #[test]
    fn what_is_stored_is_read_back(events in prop::collection::vec(0u8..60, 1..60)) {
        let mut member = applied(&events);
        member.forget(&AllInFlight, Timestamp::from_ms(0));
        let stored = member.clone().encode();
        let outlined = Person::outlined([Outline::decode(stored.clone(), member.id).expect("just encoded")]);
        let untold = |person: Person| Person { recent: vec![], duplicates: 0, updated_at: None, ..person };
        prop_assert_eq!(outlined, untold(Person::of([&member])));
        prop_assert_eq!(Member::decode(stored, member.id).expect("just encoded"), member);
    }

    #[test]
    fn damaged_bytes_are_an_error_and_no_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let id = ProfileId::from_bytes([7; 16]);
        let _ = Member::decode(Bytes::from(bytes.clone()), id);
        bytes.extend(applied(&[1, 2, 3]).encode());
        let _ = Member::decode(Bytes::from(bytes), id);
    }
}
