//! A new profile's claims tell of it until an event is applied to it, and one that grows large leaves its set to another item.

use std::sync::atomic::{AtomicBool, Ordering};

use adapter_memory::{MemoryLake, MemoryState};
use cdp_event::{PartitionId, Record, Sequence};
use cdp_identity::Rules;
use cdp_ports::{Clock, FaultKind, Item, Key, PortError, PortResult, State, Transaction};
use futures::executor::block_on;

use crate::small_platform::Counter;
use crate::{Found, Ingest, IngestError, Lookup, ProfileName};

/// Breaks off before the first profile is written.
#[derive(Default)]
struct Breaking {
    state: MemoryState,
    breaks: AtomicBool,
}

impl State for Breaking {
    async fn get(&self, keys: &[Key]) -> PortResult<Vec<Option<Item>>> {
        self.state.get(keys).await
    }

    async fn query(&self, partition: &str, prefix: &str, after: Option<&str>, limit: usize) -> PortResult<Vec<Item>> {
        self.state.query(partition, prefix, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> PortResult<()> {
        let is_applied = transaction.writes.first().is_some_and(|write| write.key().sort == "profile");
        if is_applied && self.breaks.swap(false, Ordering::Relaxed) {
            return Err(PortError::new(FaultKind::Busy, transaction.naming()));
        }
        self.state.commit(transaction).await
    }
}

type Platform = Ingest<Breaking, MemoryLake, Counter>;

fn platform(breaks: bool) -> Platform {
    let state = Breaking { breaks: breaks.into(), ..Breaking::default() };
    Ingest { state, lake: MemoryLake::default(), clock: Counter::default(), rules: Rules::default() }
}

async fn take(platform: &Platform, partition: &str, events: &[String]) -> Result<(), IngestError> {
    let record = |(at, event): (usize, &String)| Record {
        sequence: Sequence::from(at as u64),
        arrived_at: platform.clock.now(),
        partition_key: "k".into(),
        data: event.clone().into(),
    };
    let records: Vec<Record> = events.iter().enumerate().map(record).collect();
    platform.open(PartitionId::new(partition)).await?.take_records(&records, "test").await.map(drop)
}

async fn find(platform: &Platform, name: &str) -> Found {
    let name = ProfileName::parse(name).expect("a name");
    Lookup { state: &platform.state }.find(&name).await.expect("memory").expect("somebody")
}

fn event(id: &str, names: &str) -> String {
    format!(r#"{{"type":"identify","messageId":"{id}",{names}}}"#)
}

fn shown(found: &Found) -> (usize, usize, u64) {
    (found.set.members().len(), found.set.held.len(), found.person.events)
}

#[test]
fn whoever_a_broken_batch_has_claimed_is_known_with_all_names() {
    block_on(async {
        let platform = platform(true);
        let jane = [event("1", r#""userId":"jane","traits":{"email":"j@x.org"}"#)];
        take(&platform, "a", &jane).await.expect_err("it breaks off");
        assert_eq!(shown(&find(&platform, "email:j@x.org").await), (1, 2, 0));

        // Of two user ids, the limit holds: the e-mail is Jane's, though nothing was applied to her yet.
        take(&platform, "b", &[event("2", r#""userId":"joe","traits":{"email":"j@x.org"}"#)]).await.expect("memory");
        assert_eq!(shown(&find(&platform, "user_id:joe").await), (1, 1, 1));

        take(&platform, "c", &[event("3", r#""userId":"jane","anonymousId":"phone""#)]).await.expect("memory");
        assert_eq!(shown(&find(&platform, "anonymous_id:phone").await), (1, 3, 1));

        take(&platform, "a", &jane).await.expect("memory");
        assert_eq!(shown(&find(&platform, "user_id:jane").await), (1, 3, 2));
    });
}

#[test]
fn a_large_profile_is_joined_like_any_other() {
    block_on(async {
        let platform = platform(false);
        let trait_of = |n: usize| format!(r#""anonymousId":"phone","traits":{{"t{n}":"{}"}}"#, "x".repeat(3000));
        let phone: Vec<String> = (0..20).map(|n| event(&format!("phone{n}"), &trait_of(n))).collect();
        take(&platform, "a", &phone).await.expect("memory");
        let apart = crate::set_key(find(&platform, "anonymous_id:phone").await.set.root());
        assert!(platform.state.get(&[apart]).await.expect("memory")[0].is_some(), "its set stands apart");

        take(&platform, "b", &[event("1", r#""userId":"jane""#)]).await.expect("memory");
        let login = r#""userId":"jane","anonymousId":"phone","traits":{"email":"j@x.org"}"#;
        take(&platform, "c", &[event("2", login)]).await.expect("memory");
        for name in ["anonymous_id:phone", "user_id:jane", "email:j@x.org"] {
            let found = find(&platform, name).await;
            assert_eq!(shown(&found), (2, 3, 22), "{name}");
            assert_eq!(found.person.traits.len(), 21, "{name}");
        }
    });
}
