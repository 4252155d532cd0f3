//! A small stream is taken in; then one thing is put wrong at a time.

mod rows;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use adapter_memory::{MemoryLake, MemoryState};
use cdp_event::{Identifier, Offset, Record, Sequence};
use cdp_identity::{Belonging, Claim, Held, IdentitySet, ProfileId, Rules};
use cdp_ports::{Clock, Condition, Item, Key, PortResult, Transaction, Write};
use cdp_profile::Member;
use futures::executor::block_on;

use self::rows::{Rows, Tables};
use super::*;
use crate::keys::{checkpoint_key, claim_key, profile_key};
use crate::small_platform::{Counter, Platform, commit, platform, take_in};
use crate::{Checkpoint, Committer, Ingest, ProfileItem};

/// The stream's own count: its sequence numbers have no gaps.
struct Dense {
    /// In each partition, beyond those that were sent.
    more_records: u64,
}

impl RecordCount for Dense {
    async fn records_up_to(&self, _: &PartitionId, sequence: Sequence) -> PortResult<Option<u64>> {
        Ok(sequence.as_u64().map(|last| last + 1 + self.more_records))
    }
}

fn verify(platform: &Platform, rows: &Rows, running: bool) -> Verification {
    let (records, tables) = (Dense { more_records: rows.more_records }, Tables(|| rows.clone()));
    let verify = Verify { state: &platform.state, records: &records, tables: &tables, running };
    run(verify.verify()).expect("memory")
}

fn wrong(verification: &Verification) -> Vec<&'static str> {
    verification.checks.iter().filter(|check| !check.holds).map(|check| check.name).collect()
}

/// What waits here waits for its turn alone.
fn run<T>(work: impl Future<Output = T>) -> T {
    let (mut work, mut context) = (pin!(work), Context::from_waker(Waker::noop()));
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
}

#[test]
fn what_was_taken_in_once_is_proved() {
    let platform = platform();
    commit(&platform);
    let verification = verify(&platform, &Rows::of(&platform.lake), false);
    assert!(verification.holds() && verification.at_rest, "{verification:#?}");
    let found: Vec<(&str, &str)> = verification.checks.iter().map(|check| (check.name, check.found.as_str())).collect();
    assert_eq!(
        found,
        [
            ("received_adds_up", "9"),
            ("records_counted", "9"),
            ("accepted_in_events", "6"),
            ("quarantined_in_quarantine", "2"),
            ("positions_unique", "0"),
            ("profiles_equal_events", "6"),
            ("merged_profiles_in_root", "1"),
            ("canonical_equal_state", "3"),
            ("people_equal_state", "6"),
            ("duplicates_counted", "1"),
            ("claims_equal_identity", "6"),
            ("claims_told", "6"),
            ("edges_told", "1"),
            ("outbox_empty", "0"),
        ]
    );
}

/// A stream of gaps, as Kinesis is.
struct Uncounted;

impl RecordCount for Uncounted {
    async fn records_up_to(&self, _: &PartitionId, _: Sequence) -> PortResult<Option<u64>> {
        Ok(None)
    }
}

#[test]
fn what_a_stream_does_not_count_is_told_and_holds() {
    let platform = platform();
    commit(&platform);
    let rows = Rows::of(&platform.lake);
    let verify =
        Verify { state: &platform.state, records: &Uncounted, tables: &Tables(|| rows.clone()), running: true };
    let verification = run(verify.verify()).expect("memory");
    let check = verification.checks.iter().find(|check| check.name == "records_counted").expect("it is told");
    assert!(verification.holds(), "{verification:#?}");
    assert_eq!((check.expected.as_str(), check.found.as_str()), ("0, and 9 where only ingest counts", "0"));
}

#[test]
fn what_waits_for_its_commit_is_told_apart_from_what_is_lost() {
    let platform = platform();
    let nothing = Rows::of(&platform.lake);
    assert_eq!(wrong(&verify(&platform, &nothing, true)), [""; 0]);
    assert_eq!(wrong(&verify(&platform, &nothing, false)), ["outbox_empty"]);

    let committer = Committer { state: &platform.state, lake: &platform.lake, table: TableName::Events };
    block_on(committer.drain()).expect("memory");
    let verification = verify(&platform, &Rows::of(&platform.lake), true);
    assert!(verification.holds() && !verification.at_rest);
}

/// Lets others go first at each call.
struct Shared<'s>(&'s MemoryState);

impl State for Shared<'_> {
    async fn get(&self, keys: &[Key]) -> PortResult<Vec<Option<Item>>> {
        futures::pending!();
        self.0.get(keys).await
    }

    async fn query(&self, partition: &str, prefix: &str, after: Option<&str>, limit: usize) -> PortResult<Vec<Item>> {
        futures::pending!();
        self.0.query(partition, prefix, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> PortResult<()> {
        futures::pending!();
        self.0.commit(transaction).await
    }
}

/// Events that come so late that nothing else is on its way. One of them joins two persons and claims nothing.
const LATE: [&str; 4] = [
    r#"{"type":"track","messageId":"8","event":"Seen","anonymousId":"kiosk"}"#,
    r#"{"type":"track","messageId":"9","event":"Seen","userId":"jane"}"#,
    r#"{"type":"identify","messageId":"10","userId":"jane","anonymousId":"kiosk"}"#,
    r#"{"type":"track","messageId":"11","event":"Seen","userId":"joe"}"#,
];

async fn take_in_late<S: State>(ingest: &Ingest<S, MemoryLake, Counter>) {
    let mut partition = ingest.open(PartitionId::new("late")).await.expect("memory");
    for (at, event) in (0..).zip(LATE) {
        for _ in 0..60 {
            futures::pending!();
        }
        let record = Record {
            sequence: Sequence::from(at),
            arrived_at: ingest.clock.now(),
            partition_key: "k".into(),
            data: event.into(),
        };
        partition.take_records(&[record], "test").await.expect("memory");
    }
}

/// Three shards and a committer on one side, proof after proof on the other, in a thousand mixtures.
#[test]
fn the_proof_holds_at_every_moment_while_data_flows() {
    let mut proofs = 0;
    for seed in 0..1000u64 {
        let (state, lake) = (MemoryState::default(), MemoryLake::default());
        let (ours, theirs) = (Shared(&state), Shared(&state));
        let ingest = Ingest { state: theirs, lake, clock: Counter::default(), rules: Rules::default() };
        let commit = async {
            for _ in 0..24 {
                for table in TableName::ALL {
                    let committer = Committer { state: &ours, lake: &ingest.lake, table };
                    committer.commit().await.expect("memory");
                }
            }
        };
        let (a, b) = (take_in(&ingest, "a", 1 + seed as usize % 3), take_in(&ingest, "b", 1));
        let mut road = pin!(futures::future::join4(a, b, take_in_late(&ingest), commit));
        let (records, tables) = (Dense { more_records: 0 }, Tables(|| Rows::of(&ingest.lake)));
        let proof = Verify { state: &ours, records: &records, tables: &tables, running: true };
        let mut proving = Box::pin(proof.verify());

        let mut context = Context::from_waker(Waker::noop());
        let mut dice = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        loop {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            if dice % 8 < 2 + seed % 5 {
                if road.as_mut().poll(&mut context).is_ready() {
                    break;
                }
            } else if let Poll::Ready(verification) = proving.as_mut().poll(&mut context) {
                let verification = verification.expect("memory");
                assert!(verification.holds(), "seed {seed}: {verification:#?}");
                proofs += 1;
                proving = Box::pin(proof.verify());
            }
        }
    }
    assert!(proofs > 1000, "{proofs}");
}

#[test]
fn a_batch_that_has_begun_is_not_held_against_the_tables() {
    let platform = platform();
    commit(&platform);
    let rows = Rows::of(&platform.lake);
    // As after a crash between apply and checkpoint.
    let partition = PartitionId::new("a");
    let mut checkpoint =
        block_on(Checkpoint::load(&platform.state, &partition)).expect("memory").expect("a checkpoint");
    checkpoint.reach = Some(Sequence::from(6));
    put(&platform, checkpoint_key(&partition), checkpoint.encode());
    let mut crashed = profile(&platform, "user_id", "jane");
    let event = br#"{"type":"track","messageId":"8","event":"Seen","userId":"jane"}"#;
    let record = Record {
        sequence: Sequence::from(6),
        arrived_at: platform.clock.now(),
        partition_key: "k".into(),
        data: event.as_slice().into(),
    };
    let parts = cdp_event::Parts::of(&record);
    for decoded in cdp_event::decode(&record, &parts, "test") {
        let event = decoded.event.expect("JSON");
        let event = cdp_event::validate(&event).expect("valid");
        crashed.member.apply(&partition, &event, event.received_at);
    }
    put_profile(&platform, crashed);

    let verification = verify(&platform, &rows, true);
    assert_eq!((wrong(&verification), verification.at_rest), (vec![], false));
    assert_eq!(verification.profiles_in_flight, 1);
}

fn put(platform: &Platform, key: Key, body: bytes::Bytes) {
    let writes = vec![Write::Put { key, body, condition: Condition::Any }];
    block_on(platform.state.commit(Transaction { writes, durable: false })).expect("memory");
}

fn item(platform: &Platform, key: Key) -> bytes::Bytes {
    block_on(platform.state.get(&[key])).expect("memory").pop().flatten().expect("it is there").body
}

fn name<'a>(namespace: &str, value: &'a str) -> Identifier<'a> {
    Identifier::new(namespace.parse().expect("a namespace"), value).expect("a value")
}

fn claimed_by(platform: &Platform, namespace: &str, value: &str) -> ProfileId {
    let claim = item(platform, claim_key(&name(namespace, value)));
    cdp_identity::Claim::decode(claim).expect("a claim").profile
}

fn profile(platform: &Platform, namespace: &str, value: &str) -> ProfileItem {
    let id = claimed_by(platform, namespace, value);
    ProfileItem::decode(item(platform, profile_key(id)), id).expect("a profile")
}

fn put_profile(platform: &Platform, profile: ProfileItem) {
    put(platform, profile_key(profile.member.id), profile.encode());
}

#[test]
fn each_fault_is_found_by_its_check() {
    type Fault = fn(&Platform, &mut Rows);
    let faults: [(Fault, &[&str]); 24] = [
        (|_, rows| rows.more_records = 1, &["records_counted"]),
        (|_, rows| drop(rows.events.pop()), &["accepted_in_events", "profiles_equal_events"]),
        (
            |_, rows| rows.events.extend(rows.events.last().cloned()),
            &["accepted_in_events", "positions_unique", "profiles_equal_events"],
        ),
        (|_, rows| rows.quarantine.push(("c".into(), "0".into(), 0)), &["quarantined_in_quarantine"]),
        (|_, rows| rows.quarantine[0].1 = "0".into(), &["positions_unique"]),
        (|_, rows| rows.claims.extend(rows.claims.last().cloned()), &["claims_equal_identity", "claims_told"]),
        (|_, rows| drop(rows.claims.pop()), &["claims_told"]),
        (
            |platform, _| {
                let moved = item(platform, claim_key(&name("user_id", "joe")));
                put(platform, claim_key(&name("user_id", "jane")), moved);
            },
            &["claims_equal_identity"],
        ),
        (
            |platform, _| {
                let mut jane = profile(platform, "user_id", "jane");
                jane.member.events += 1;
                put_profile(platform, jane);
            },
            &["profiles_equal_events", "people_equal_state"],
        ),
        (
            |platform, _| {
                let mut laptop = profile(platform, "anonymous_id", "laptop");
                laptop.member.duplicates = 0;
                put_profile(platform, laptop);
            },
            &["duplicates_counted"],
        ),
        (
            |platform, _| {
                // Who is a person by itself, and the root of no set.
                let astray = claimed_by(platform, "user_id", "joe");
                let laptop = profile(platform, "anonymous_id", "laptop");
                put_profile(platform, ProfileItem { belonging: Belonging::To(astray), ..laptop });
            },
            &["merged_profiles_in_root"],
        ),
        (|platform, rows| ghost(platform, rows, 3), &["profiles_equal_events"]),
        (|platform, rows| ghost(platform, rows, 0), &[]),
        (|platform, rows| rows.newest(claimed_by(platform, "user_id", "joe")).events += 1, &["people_equal_state"]),
        (
            |platform, rows| {
                let joe = claimed_by(platform, "user_id", "joe").to_string();
                rows.profiles.retain(|row| row.profile_id != joe);
            },
            &["people_equal_state"],
        ),
        (
            |platform, rows| {
                let jane = claimed_by(platform, "user_id", "jane");
                let newest = rows.newest(jane).revision;
                rows.profiles.retain(|row| row.profile_id != jane.to_string() || row.revision < newest);
            },
            &["people_equal_state"],
        ),
        (
            |platform, rows| rows.newest(claimed_by(platform, "anonymous_id", "laptop")).merged_into = None,
            &["people_equal_state"],
        ),
        (
            |platform, rows| rows.newest(claimed_by(platform, "user_id", "joe")).revision += 1 << 32,
            &["people_equal_state"],
        ),
        (
            |platform, rows| rows.newest(claimed_by(platform, "user_id", "joe")).revision -= 1 << 32,
            &["people_equal_state"],
        ),
        (
            |platform, rows| {
                let joe = rows.newest(claimed_by(platform, "user_id", "joe"));
                joe.merged_into = Some(joe.profile_id.clone());
            },
            &["people_equal_state"],
        ),
        (
            |platform, rows| {
                let laptop = claimed_by(platform, "anonymous_id", "laptop").to_string();
                rows.canonical.retain(|(_, row)| row.profile_id != laptop);
            },
            &["canonical_equal_state"],
        ),
        (
            |platform, rows| {
                let joe = claimed_by(platform, "user_id", "joe").to_string();
                rows.claims.retain(|claim| claim.profile_id != joe);
            },
            &["canonical_equal_state", "claims_told"],
        ),
        (|_, rows| rows.edges -= 1, &["edges_told"]),
        (
            |platform, _| {
                let partition = PartitionId::new("b");
                let checkpoint = block_on(Checkpoint::load(&platform.state, &partition)).expect("memory");
                let mut checkpoint = checkpoint.expect("a checkpoint");
                checkpoint.counts.received += 1;
                put(platform, checkpoint_key(&partition), checkpoint.encode());
            },
            &["received_adds_up"],
        ),
    ];
    for (number, (fault, expected)) in faults.into_iter().enumerate() {
        let platform = platform();
        commit(&platform);
        let mut rows = Rows::of(&platform.lake);
        fault(&platform, &mut rows);
        let verification = verify(&platform, &rows, true);
        assert_eq!(wrong(&verification), expected, "fault {number}: {verification:#?}");
        assert!(verification.checks.iter().all(|check| check.examples.len() <= 5), "fault {number}");
    }
}

/// A profile that counts `events`, and that `identity` and `profiles` tell of in full: `events` has no row of it.
fn ghost(platform: &Platform, rows: &mut Rows, events: u64) {
    let id = ProfileId::from_bytes([7; 16]);
    let (identifier, partition) = (name("user_id", "ghost").into_owned(), PartitionId::new("a"));
    let claim = Claim { profile: id, partition, offset: Offset::new(Sequence::from(0), 0), founded: None };
    let held =
        Held { identifier: identifier.clone(), profile: id, claimed_at: platform.clock.now(), source: "test".into() };
    let mut set = IdentitySet::new(id);
    (set.held, set.revision) = (vec![held], 1);
    let mut member = Member::new(id);
    member.events = events;
    put(platform, claim_key(&identifier), claim.encode());
    put_profile(platform, ProfileItem { belonging: Belonging::Alone(set), member });

    let profile_id = id.to_string();
    let [namespace, value] = ["user_id", "ghost"].map(str::to_owned);
    rows.claims.push(ClaimCount { namespace, value, profile_id: profile_id.clone(), rows: 1 });
    rows.profiles.push(NewestRow { profile_id, revision: 1 << 32, merged_into: None, events });
}

#[test]
fn a_namespace_is_in_an_example_and_a_value_is_not() {
    let platform = platform();
    commit(&platform);
    let mut rows = Rows::of(&platform.lake);
    let emails: Vec<ClaimCount> = rows.claims.iter().filter(|claim| claim.namespace == "email").cloned().collect();
    rows.claims.extend(emails);
    let text = format!("{:?}", verify(&platform, &rows, true));
    assert!(text.contains("email of prf_") && !text.contains("j@x.org"), "{text}");
}
