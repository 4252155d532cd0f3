//! A small stream is taken in; then one thing is put wrong at a time.

use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use adapter_memory::{MemoryLake, MemoryState};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int32Type;
use cdp_event::{Identifier, Record, Sequence};
use cdp_identity::{ProfileId, Rules, SetItem};
use cdp_ports::{Clock, Condition, Item, Key, PortResult, Transaction, Write};
use cdp_profile::Member;
use futures::executor::block_on;
use futures::stream::{self, BoxStream, StreamExt};

use super::*;
use crate::keys::{checkpoint_key, claim_key, member_key, set_key};
use crate::small_platform::{Counter, Platform, commit, platform, take_in};
use crate::{Checkpoint, Committer, Ingest};

/// The tables' rows, as far as the proof asks for them. A claim's `rows` is 1: it is one.
#[derive(Clone)]
struct Rows {
    /// Partition, sequence, sub, and the profile where it is an event.
    events: Vec<(String, String, i32, String)>,
    quarantine: Vec<(String, String, i32)>,
    claims: Vec<ClaimCount>,
    /// In each partition, beyond those that were sent.
    more_records: u64,
}

impl Rows {
    fn of(lake: &MemoryLake) -> Self {
        let mut rows = Self { events: vec![], quarantine: vec![], claims: vec![], more_records: 0 };
        for batch in lake.rows(TableName::Events) {
            let profiles = texts(&batch, "profile_id");
            rows.events.extend(positions(&batch).into_iter().zip(profiles).map(|((p, s, sub), id)| (p, s, sub, id)));
        }
        for batch in lake.rows(TableName::Quarantine) {
            rows.quarantine.extend(positions(&batch));
        }
        for batch in lake.rows(TableName::Identity) {
            let [decisions, namespaces, values, profiles] =
                ["decision", "namespace", "value", "profile_id"].map(|name| texts(&batch, name));
            for (at, _) in decisions.iter().enumerate().filter(|(_, decision)| *decision == "claim") {
                let (namespace, value) = (namespaces[at].clone(), values[at].clone());
                rows.claims.push(ClaimCount { namespace, value, profile_id: profiles[at].clone(), rows: 1 });
            }
        }
        rows
    }
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<String> {
    let column = batch.column_by_name(name).expect("a column of the layout").as_string::<i32>();
    column.iter().map(|text| text.unwrap_or_default().to_owned()).collect()
}

fn positions(batch: &RecordBatch) -> Vec<(String, String, i32)> {
    let subs = batch.column_by_name("sub").expect("a column of the layout").as_primitive::<Int32Type>();
    let places = texts(batch, "partition").into_iter().zip(texts(batch, "sequence"));
    places.zip(subs.values()).map(|((partition, sequence), sub)| (partition, sequence, *sub)).collect()
}

fn counted<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, u64> {
    let mut counts = BTreeMap::new();
    keys.for_each(|key| *counts.entry(key).or_default() += 1);
    counts
}

/// Tables as they stand whenever they are asked.
struct Tables<F>(F);

impl<F: Fn() -> Rows + Sync> TableFacts for Tables<F> {
    async fn rows_by_partition(&self, table: TableName) -> PortResult<Vec<(PartitionId, u64)>> {
        futures::pending!();
        let rows = self.0();
        let partitions: Vec<&String> = match table {
            TableName::Events => rows.events.iter().map(|(partition, ..)| partition).collect(),
            _ => rows.quarantine.iter().map(|(partition, ..)| partition).collect(),
        };
        Ok(counted(partitions.into_iter()).into_iter().map(|(name, rows)| (PartitionId::new(name), rows)).collect())
    }

    async fn repeated_positions(&self) -> PortResult<Vec<RepeatedPosition>> {
        let rows = self.0();
        let events = rows.events.iter().map(|(partition, sequence, sub, _)| (partition, sequence, *sub));
        let refused = rows.quarantine.iter().map(|(partition, sequence, sub)| (partition, sequence, *sub));
        let repeated = counted(events.chain(refused)).into_iter().filter(|(_, rows)| *rows > 1);
        let told = |((partition, sequence, sub), rows): ((&String, &String, i32), u64)| RepeatedPosition {
            partition: partition.clone(),
            sequence: sequence.clone(),
            sub,
            rows,
        };
        Ok(repeated.map(told).collect())
    }

    fn events_by_profile(&self) -> BoxStream<'_, PortResult<Vec<ProfileCount>>> {
        let counts = counted(self.0().events.into_iter().map(|(.., profile)| profile));
        let pages = counts.into_iter().map(|(profile_id, rows)| Ok(vec![ProfileCount { profile_id, rows }]));
        stream::iter(pages).boxed()
    }

    fn claims(&self) -> BoxStream<'_, PortResult<Vec<ClaimCount>>> {
        let claims = self.0().claims.into_iter().map(|claim| (claim.namespace, claim.value, claim.profile_id));
        let pages = counted(claims)
            .into_iter()
            .map(|((namespace, value, profile_id), rows)| Ok(vec![ClaimCount { namespace, value, profile_id, rows }]));
        stream::iter(pages).boxed()
    }
}

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
            ("duplicates_counted", "1"),
            ("claims_equal_identity", "6"),
            ("claims_told", "6"),
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

/// Two shards and a committer on one side, proof after proof on the other, in a thousand mixtures.
#[test]
fn the_proof_holds_at_every_moment_while_data_flows() {
    let mut proofs = 0;
    for seed in 0..1000u64 {
        let (state, lake) = (MemoryState::default(), MemoryLake::default());
        let (ours, theirs) = (Shared(&state), Shared(&state));
        let ingest = Ingest { state: theirs, lake, clock: Counter::default(), rules: Rules::default() };
        let commit = async {
            for _ in 0..6 {
                for table in TableName::ALL {
                    let committer = Committer { state: &ours, lake: &ingest.lake, table };
                    committer.commit().await.expect("memory");
                }
            }
        };
        let (a, b) = (take_in(&ingest, "a", 1 + seed as usize % 3), take_in(&ingest, "b", 1));
        let mut road = pin!(futures::future::join3(a, b, commit));
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
    let mut crashed = member(&platform, "user_id", "jane");
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
        crashed.apply(&partition, &event, event.received_at);
    }
    put(&platform, member_key(crashed.id), crashed.encode());

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

fn member(platform: &Platform, namespace: &str, value: &str) -> Member {
    let body = item(platform, member_key(claimed_by(platform, namespace, value)));
    Member::decode(body).expect("a member")
}

#[test]
fn each_fault_is_found_by_its_check() {
    type Fault = fn(&Platform, &mut Rows);
    let faults: [(Fault, &[&str]); 12] = [
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
                let mut member = member(platform, "user_id", "jane");
                member.events += 1;
                put(platform, member_key(member.id), member.encode());
            },
            &["profiles_equal_events"],
        ),
        (
            |platform, _| {
                let mut member = member(platform, "anonymous_id", "laptop");
                member.duplicates = 0;
                put(platform, member_key(member.id), member.encode());
            },
            &["duplicates_counted"],
        ),
        (
            |platform, _| {
                let (laptop, joe) =
                    (claimed_by(platform, "anonymous_id", "laptop"), claimed_by(platform, "user_id", "joe"));
                let astray = if joe < laptop { joe } else { ProfileId::from_bytes([0; 16]) };
                put(platform, set_key(laptop), SetItem::MergedInto(astray).encode());
            },
            &["merged_profiles_in_root"],
        ),
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
