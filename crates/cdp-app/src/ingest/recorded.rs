//! What identity refused is told by the tables, with the rule and the version of the rules that it was refused by.

use std::collections::BTreeSet;
use std::time::Duration;

use adapter_memory::{MemoryLake, MemoryState};
use arrow::array::{AsArray, RecordBatch};
use cdp_event::{Namespace, PartitionId, Record, Sequence};
use cdp_identity::{Caps, Limit, NamespaceRule, Rules};
use cdp_ports::{Clock, TableName};
use futures::executor::block_on;
use serde_json::json;

use crate::small_platform::{Counter, Platform, commit};
use crate::{Ingest, Lookup, ProfileName};

/// One rule of each kind. Of a locker a person has one a day, and a passport is somebody's own.
fn rules() -> Rules {
    let rule = |name: &str, values, period, unique| NamespaceRule {
        namespace: name.parse::<Namespace>().expect("a name"),
        limit: Limit { values, period },
        unique,
    };
    let a_day = Some(Duration::from_secs(86_400));
    let namespaces = vec![
        rule("user_id", 1, None, false),
        rule("email", 2, None, false),
        rule("passport", 5, None, true),
        rule("locker", 1, a_day, false),
    ];
    let (others, blocked) = (Limit { values: 5, period: None }, ["anonymous".to_owned()].into());
    let caps = Caps { identifiers: 6, ..Caps::default() };
    Rules::new(namespaces, others, blocked, vec!["^[0-]*$".to_owned()], caps).expect("sound rules")
}

fn take_in(events: &[serde_json::Value]) -> Platform {
    take_in_by(rules(), events)
}

fn take_in_by(rules: Rules, events: &[serde_json::Value]) -> Platform {
    let (state, lake, clock) = (MemoryState::default(), MemoryLake::default(), Counter::default());
    let platform = Ingest { state, lake, clock, rules };
    let record = |(at, event): (usize, &serde_json::Value)| Record {
        sequence: Sequence::from(at as u64),
        arrived_at: platform.clock.now(),
        partition_key: "k".into(),
        data: event.to_string().into(),
    };
    let records: Vec<Record> = events.iter().enumerate().map(record).collect();
    block_on(async {
        let mut partition = platform.open(PartitionId::new("shard")).await.expect("memory");
        partition.take_records(&records, "test").await.expect("memory");
    });
    commit(&platform);
    platform
}

fn text<'r>(rows: &'r RecordBatch, column: &str, at: usize) -> &'r str {
    rows.column_by_name(column).expect("a column").as_string::<i32>().value(at)
}

/// What was demoted or blocked: "RECORD DECISION IDENTIFIER by RULE".
fn recorded(platform: &Platform) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rows in platform.lake.rows(TableName::Identity) {
        let refused = |at: &usize| ["demoted", "blocked"].contains(&text(&rows, "decision", *at));
        for at in (0..rows.num_rows()).filter(refused) {
            assert_eq!(text(&rows, "rules_version", at), platform.rules.version().as_str());
            let [record, decision, namespace, value, rule] =
                ["sequence", "decision", "namespace", "value", "rule"].map(|column| text(&rows, column, at));
            found.insert(format!("{record} {decision} {namespace}:{value} by {rule}"));
        }
    }
    found
}

#[test]
fn each_refusal_is_a_row_with_its_rule() {
    let email = |user: &str, email: &str| json!({"type": "identify", "userId": user, "traits": {"email": email}});
    let named = |kind: &str, id: &str| {
        let id = json!({"type": kind, "id": id, "collection": "users", "encoding": "none"});
        json!({"type": "track", "event": "Seen", "userId": "u1", "context": {"externalIds": [id]}})
    };
    let events = [
        email("u1", "a@x.org"),
        email("u1", "b@x.org"),
        email("u1", "c@x.org"),
        email("u2", "a@x.org"),
        named("passport", "p1"),
        named("passport", "p2"),
        named("locker", "l1"),
        named("locker", "l2"),
        named("card", "c1"),
        named("card", "c2"),
        json!({"type": "track", "event": "Seen", "userId": "u1", "anonymousId": "00000000"}),
        json!({"type": "alias", "userId": "u1", "previousId": "anonymous"}),
    ];
    let expected = [
        "2 demoted email:c@x.org by limit.email=2",
        "3 demoted email:a@x.org by limit.user_id=1",
        "5 demoted passport:p2 by unique.passport",
        "7 demoted locker:l2 by limit.locker=1",
        "9 demoted card:c2 by cap.identifiers=6",
        "10 blocked anonymous_id:00000000 by blocked",
        "11 blocked user_id:anonymous by blocked",
    ];
    assert_eq!(recorded(&take_in(&events)), expected.map(str::to_owned).into());
}

/// Far more than a transaction takes, and than a person may have.
#[test]
fn a_blob_of_ten_thousand_identifiers_is_one_person_within_the_caps() {
    let limit = Limit { values: 100_000, period: None };
    let namespaces = [Namespace::USER_ID, Namespace::ANONYMOUS_ID];
    let namespaces = namespaces.map(|namespace| NamespaceRule { namespace, limit, unique: false });
    let rules = Rules::with_namespaces(namespaces.to_vec()).expect("sound rules");
    let most = rules.caps.identifiers;
    let event = |n: usize| json!({"type": "track", "event": "Seen", "userId": "hub", "anonymousId": format!("a{n}")});
    let events: Vec<_> = (0..10_000).map(event).collect();
    let platform = take_in_by(rules, &events);
    let demoted = recorded(&platform);
    assert_eq!(demoted.len(), 10_000 - (most - 1));
    assert!(demoted.iter().all(|row| row.ends_with(&format!(" by cap.identifiers={most}"))));
    let hub = ProfileName::parse("user_id:hub").expect("a name");
    let found = block_on(Lookup { state: &platform.state }.find(&hub)).expect("memory").expect("somebody");
    assert_eq!((found.set.held.len(), found.person.events), (most, 10_000));
}

#[test]
fn an_event_of_placeholders_alone_is_refused_with_the_rules_version() {
    let platform = take_in(&[json!({"type": "track", "event": "Seen", "userId": "anonymous", "anonymousId": "0"})]);
    let rows = platform.lake.rows(TableName::Quarantine).pop().expect("a row");
    assert_eq!(text(&rows, "reason", 0), "blocked_identifiers");
    let version = platform.rules.version();
    let detail = format!("all identifiers are placeholders: user_id:anonymous, anonymous_id:0, by rules {version}");
    assert_eq!(text(&rows, "detail", 0), detail);
}
