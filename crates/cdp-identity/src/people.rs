//! Rules put to small streams of events, one decision after the other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cdp_event::{Identifier, Namespace, Offset, PartitionId, Timestamp};
use proptest::prelude::*;

use crate::*;

/// A store of decisions, as simple as can be.
#[derive(Default)]
struct Town {
    claims: HashMap<Identifier<'static>, ProfileId>,
    sets: HashMap<ProfileId, IdentitySet>,
    events: u64,
}

impl Town {
    /// `u:a m:j`: an event with user_id a and email j; `a>b`: an alias from user a to user b.
    fn tell(&mut self, event: &str, rules: &Rules) -> Decision {
        let (names, alias) = match event.split_once('>') {
            Some((previous, user)) => (format!("u:{user}"), Some(id(&format!("u:{previous}")))),
            None => (event.to_owned(), None),
        };
        let candidate = |identifier: Identifier<'static>| Candidate {
            claimed_by: self.claims.get(&identifier).copied(),
            identifier,
        };
        let candidates = names.split(' ').map(|name| candidate(id(name))).collect();
        let partition = PartitionId::new("p");
        let day = i64::try_from(self.events).expect("few events") * 86_400_000;
        let occasion = Occasion {
            partition: &partition,
            offset: Offset::new(self.events.into(), 0),
            at: Timestamp::from_ms(day),
            source: "test",
        };
        self.events += 1;
        let decision = decide(candidates, alias.map(candidate), &self.sets, rules, occasion).expect("known sets");
        self.claims.extend(decision.claims.iter().cloned());
        for absorbed in &decision.absorbed {
            self.sets.remove(absorbed);
        }
        if let Some(set) = &decision.set {
            self.sets.insert(set.root(), set.clone());
        }
        decision
    }

    fn people(&self) -> BTreeSet<String> {
        let names = |set: &IdentitySet| {
            let names: BTreeSet<String> = set.held.iter().map(|held| short(&held.identifier)).collect();
            names.into_iter().collect::<Vec<_>>().join(" ")
        };
        self.sets.values().map(names).collect()
    }
}

const LETTERS: [(&str, Namespace); 4] =
    [("u", Namespace::USER_ID), ("m", Namespace::EMAIL), ("a", Namespace::ANONYMOUS_ID), ("p", Namespace::PHONE)];

fn id(name: &str) -> Identifier<'static> {
    let (letter, value) = name.split_once(':').expect("LETTER:VALUE");
    let (_, namespace) = LETTERS.iter().find(|(l, _)| *l == letter).expect("a known letter");
    Identifier::new(namespace.clone(), value.to_owned()).expect("a sound value")
}

fn short(identifier: &Identifier<'_>) -> String {
    let letter = LETTERS.iter().find(|(_, n)| *n == identifier.namespace).map_or("?", |(l, _)| l);
    format!("{letter}:{}", identifier.value)
}

fn check_with(rules: &Rules, events: &[&str], people: &[&str]) {
    let mut town = Town::default();
    for event in events {
        town.tell(event, rules);
    }
    assert_eq!(town.people(), people.iter().map(|p| (*p).to_owned()).collect(), "{events:?}");
}

fn check(events: &[&str], people: &[&str]) {
    check_with(&Rules::default(), events, people);
}

#[test]
fn a_login_joins_the_devices_of_one_user() {
    check(&["a:1", "a:1 u:x", "a:2", "a:2 u:x"], &["a:1 a:2 u:x"]);
}

#[test]
fn a_chain_joins_whatever_its_order() {
    for order in
        [["a:1 p:1", "a:3 p:3", "p:1 p:3"], ["p:1 p:3", "a:3 p:3", "a:1 p:1"], ["a:1 p:1", "p:1 p:3", "a:3 p:3"]]
    {
        check(&order, &["a:1 a:3 p:1 p:3"]);
    }
}

#[test]
fn a_cycle_is_one_person() {
    check(&["a:1 p:1", "a:2 p:2", "a:3 p:3", "p:1 p:2", "p:2 p:3", "p:3 p:1"], &["a:1 a:2 a:3 p:1 p:2 p:3"]);
}

#[test]
fn a_shared_device_stays_with_its_first_user() {
    check(&["u:x a:1", "u:y a:1", "a:1"], &["a:1 u:x", "u:y"]);
}

#[test]
fn the_innocent_identifier_is_kept_when_the_guilty_one_is_demoted() {
    check(&["u:x m:j", "u:y m:j a:2"], &["m:j u:x", "a:2 u:y"]);
}

#[test]
fn segments_published_example_of_a_demotion_holds() {
    let mut town = Town::default();
    let rules = Rules::default();
    let first = town.tell("u:abc123 m:j", &rules);
    let second = town.tell("u:abc456 m:j", &rules);
    assert_ne!(first.profile, second.profile);
    let demoted: Vec<_> =
        second.demotions.iter().map(|d| (short(&d.identifier), d.claimed_by, d.rule.as_str())).collect();
    assert_eq!(demoted, [("m:j".to_owned(), Some(first.profile), "limit.user_id=1")]);
}

#[test]
fn the_sixth_email_is_refused() {
    let events = ["u:x m:1", "u:x m:2", "u:x m:3", "u:x m:4", "u:x m:5", "u:x m:6"];
    check(&events, &["m:1 m:2 m:3 m:4 m:5 u:x"]);
}

#[test]
fn an_alias_joins_two_user_ids_and_chains_of_them() {
    check(&["u:a", "u:b", "u:c", "u:d", "a>b", "c>d", "b>c"], &["u:a u:b u:c u:d"]);
}

#[test]
fn a_unique_namespace_never_merges_not_even_by_alias() {
    let limit = Limit { values: 5, period: None };
    let rules = Rules::with_namespaces(vec![NamespaceRule { namespace: Namespace::USER_ID, limit, unique: true }]);
    check_with(&rules.expect("sound rules"), &["u:a", "u:b", "a>b", "u:a p:1", "u:b p:1"], &["p:1 u:a", "u:b"]);
}

#[test]
fn a_limit_in_a_period_opens_again() {
    let limit = Limit { values: 1, period: Some(std::time::Duration::from_secs(3 * 86_400)) };
    let rules = Rules::with_namespaces(vec![
        NamespaceRule { namespace: Namespace::USER_ID, limit: Limit { values: 1, period: None }, unique: false },
        NamespaceRule { namespace: Namespace::EMAIL, limit, unique: false },
    ]);
    check_with(&rules.expect("sound rules"), &["u:x m:1", "u:x m:2", "u:x", "u:x m:3"], &["m:1 m:3 u:x"]);
}

#[test]
fn a_blob_of_ten_thousand_identifiers_stays_within_the_caps() {
    let rules = Rules::with_namespaces(
        LETTERS
            .map(|(_, namespace)| NamespaceRule {
                namespace,
                limit: Limit { values: 100_000, period: None },
                unique: false,
            })
            .to_vec(),
    )
    .expect("sound rules");
    let mut town = Town::default();
    let mut refused = 0;
    for n in 0..10_000 {
        refused += town.tell(&format!("p:hub a:{n}"), &rules).demotions.len();
    }
    let largest = town.sets.values().map(|set| set.held.len()).max();
    assert_eq!((largest, refused), (Some(rules.caps.identifiers), 10_000 - (rules.caps.identifiers - 1)));
}

#[test]
fn a_person_of_long_names_stays_an_item_that_a_store_takes() {
    let limit = Limit { values: 100_000, period: None };
    let rules =
        Rules::with_namespaces(vec![NamespaceRule { namespace: Namespace::ANONYMOUS_ID, limit, unique: false }])
            .expect("sound rules");
    let mut town = Town::default();
    let mut refused_by = BTreeSet::new();
    for n in 0..500 {
        let decision = town.tell(&format!("p:hub a:{n:0>490}"), &rules);
        refused_by.extend(decision.demotions.into_iter().map(|demotion| demotion.rule));
    }
    assert_eq!(refused_by, BTreeSet::from(["cap.bytes=131072".to_owned()]));
    let largest = town.sets.into_values().map(|set| SetItem::Root(set).encode().len()).max().expect("a hub");
    assert!((100_000..=rules.caps.bytes).contains(&largest), "{largest}");
}

#[test]
fn the_canonical_profile_is_the_smallest() {
    let mut town = Town::default();
    let rules = Rules::default();
    let oldest = town.tell("a:1", &rules).profile;
    town.tell("a:2", &rules);
    town.tell("a:3", &rules);
    town.tell("a:2 a:3", &rules);
    let all = town.tell("a:3 a:1", &rules).set.expect("a merge");
    assert_eq!((all.root(), all.members().len(), all.edges.len()), (oldest, 3, 2));
}

#[test]
fn what_is_stored_is_read_back() {
    let mut town = Town::default();
    let rules = Rules::default();
    let alone = town.tell("u:x m:j", &rules).set.expect("a new one");
    let jane = alone.root();
    for event in ["a:1", "a:1 u:x", "y>x"] {
        town.tell(event, &rules);
    }
    for set in town.sets.values() {
        let item = SetItem::Root(set.clone());
        assert!(item.encode().len() <= set.bytes(), "{} and {}", item.encode().len(), set.bytes());
        assert_eq!(SetItem::decode(item.encode()).expect("just encoded"), item);
        let merged = SetItem::MergedInto(set.root());
        assert_eq!(SetItem::decode(merged.encode()).expect("just encoded"), merged);
    }
    for belonging in [Belonging::Alone(alone.clone()), Belonging::To(jane)] {
        assert_eq!(Belonging::decode(belonging.encode(), jane).expect("just encoded"), belonging);
    }
    let partition = PartitionId::new("p");
    let offset = Offset::new(7.into(), 0);
    assert_eq!(Founded::with(&alone).read(jane).expect("just encoded"), alone);
    for founded in [None, Some(Founded::with(&alone))] {
        let claim = Claim { profile: jane, partition: partition.clone(), offset, founded };
        assert_eq!(Claim::decode(claim.encode()).expect("just encoded"), claim);
    }
    assert!(SetItem::decode(bytes::Bytes::from_static(&[255, 0, 1])).is_err());
}

fn some_events() -> impl Strategy<Value = Vec<String>> {
    let name = (0..LETTERS.len(), 0..9u8).prop_map(|(letter, value)| format!("{}:v{value}", LETTERS[letter].0));
    let event = prop::collection::vec(name, 1..4).prop_map(|names| {
        let names: BTreeSet<String> = names.into_iter().collect();
        names.into_iter().collect::<Vec<_>>().join(" ")
    });
    prop::collection::vec(event, 1..40)
}

fn without_limits() -> Rules {
    let limit = Limit { values: 1000, period: None };
    Rules::with_namespaces(LETTERS.map(|(_, namespace)| NamespaceRule { namespace, limit, unique: false }).to_vec())
        .expect("sound rules")
}

/// Connected components, the plain way.
fn components(events: &[String]) -> BTreeSet<String> {
    let mut group: BTreeMap<String, usize> = BTreeMap::new();
    for (number, event) in events.iter().enumerate() {
        let joined: BTreeSet<usize> = event.split(' ').filter_map(|name| group.get(name).copied()).collect();
        group.values_mut().filter(|g| joined.contains(g)).for_each(|g| *g = number);
        group.extend(event.split(' ').map(|name| (name.to_owned(), number)));
    }
    let mut people: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for (name, number) in group {
        people.entry(number).or_default().push(name);
    }
    people.into_values().map(|names| names.join(" ")).collect()
}

proptest! {
    #[test]
    fn any_order_and_any_repeats_give_the_same_people_where_no_limit_binds(
        (events, shuffled) in some_events().prop_flat_map(|events| {
            let twice: Vec<String> = events.iter().chain(&events).cloned().collect();
            (Just(events), Just(twice).prop_shuffle())
        })
    ) {
        let rules = without_limits();
        let mut town = Town::default();
        for event in &shuffled {
            town.tell(event, &rules);
        }
        prop_assert_eq!(town.people(), components(&events));
    }

    #[test]
    fn no_person_ever_exceeds_a_limit_and_no_claim_ever_moves(events in some_events()) {
        let rules = Rules::default();
        let mut town = Town::default();
        for event in &events {
            let before = town.claims.clone();
            let decision = town.tell(event, &rules);
            prop_assert!(before.iter().all(|(name, profile)| town.claims.get(name) == Some(profile)));
            let first = event.split(' ').map(id).min_by_key(|id| rules.priority(&id.namespace).0);
            prop_assert_eq!(first.and_then(|id| town.claims.get(&id).copied()).is_some(), true);
            prop_assert!(town.sets.values().any(|set| set.members().contains(&decision.profile)));
        }
        for set in town.sets.values() {
            let mut values: BTreeMap<&Namespace, usize> = BTreeMap::new();
            set.held.iter().for_each(|held| *values.entry(&held.identifier.namespace).or_default() += 1);
            prop_assert!(values.iter().all(|(namespace, count)| *count <= rules.limit(namespace).values), "{:?}", values);
        }
    }
}
