//! A few people who came in by `cdp_app::Ingest`, and the front that shows them.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use adapter_memory::{MemoryLake, MemoryState};
use axum::Router;
use cdp_api::Secret;
use cdp_api::profiles::{Asked, History, HistoryFault, PastEvent, Profiles, Scope, Token, Wanted, routes};
use cdp_app::{Checkpoint, Ingest};
use cdp_event::{PartitionId, Record, Sequence, Timestamp};
use cdp_identity::Rules;
use cdp_ports::{Chance, Clock, Item, Key, PortResult, State, Transaction};

use crate::front::{Answer, HandClock, NOW, call, front};

/// A bearer token that may read.
pub const READER: (&str, &str) = ("authorization", "Bearer reader");

pub struct People {
    /// What the tables hold, as far as a test says so.
    pub tables: Arc<Tables>,
    pub clock: Arc<HandClock>,
    ingest: Ingest<Shared, MemoryLake, Ticks>,
    router: Router,
}

/// Tokens `reader`, `slow` (2 requests a second), `root` (admin) and `nobody` (no scope).
pub async fn people(events: &[&str]) -> People {
    let state = Arc::new(MemoryState::default());
    let rules = Rules::default();
    let ingest = Ingest { state: Shared(state.clone()), lake: MemoryLake::default(), clock: Ticks::default(), rules };

    let token = |name: &str, scopes: &[Scope], limit| Token {
        name: name.into(),
        token: Secret::new(name),
        scopes: scopes.into(),
        requests_per_second: NonZeroU32::new(limit).expect("not zero"),
    };
    let tokens = vec![
        token("reader", &[Scope::ProfilesRead], 100_000),
        token("slow", &[Scope::ProfilesRead], 2),
        token("root", &[Scope::Admin], 1000),
        token("nobody", &[], 1000),
    ];
    let front = front();
    let clock: Arc<dyn Clock> = front.clock.clone();
    let tables = Arc::new(Tables::default());
    let profiles = Profiles::new(tokens, state, &clock).expect("sound tokens").with_history(tables.clone());
    let router = cdp_api::router(&front.api, routes(Arc::new(profiles)));
    let people = People { tables, clock: front.clock.clone(), ingest, router };
    people.take_in(events).await;
    people
}

impl People {
    /// One second after the other, by source `web`.
    pub async fn take_in(&self, events: &[&str]) {
        let partition = PartitionId::new("shard");
        let checkpoint = Checkpoint::load(&self.ingest.state, &partition).await.expect("memory");
        let first = checkpoint.map_or(0, |checkpoint| checkpoint.counts.records);
        let record = |(number, event): (u64, &&str)| Record {
            sequence: Sequence::from(number),
            arrived_at: NOW.plus_ms(number as i64 * 1000),
            partition_key: "k".into(),
            data: bytes::Bytes::copy_from_slice(event.as_bytes()),
        };
        let records: Vec<Record> = (first..).zip(events).map(record).collect();
        let mut worker = self.ingest.open(partition).await.expect("memory");
        let report = worker.take_records(&records, "web").await.expect("memory");
        assert_eq!(report.counts.quarantined, 0, "{:?}", report.reasons);
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.call("GET", path, headers, "").await
    }

    pub async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &'static str) -> Answer {
        call(&self.router, method, path, headers, body).await
    }

    pub async fn read(&self, path: &str) -> serde_json::Value {
        let answer = self.get(path, &[READER]).await;
        assert!(answer.status.is_success(), "{path}: {} {:?}", answer.status, answer.body);
        answer.json()
    }
}

#[derive(Default)]
pub struct Tables {
    /// Of anybody, newest first.
    pub events: Mutex<Vec<PastEvent>>,
    /// What comes in place of the next answer.
    pub fault: Mutex<Option<HistoryFault>>,
}

impl History for Tables {
    fn events<'a>(&'a self, wanted: &'a Wanted<'a>) -> Asked<'a> {
        if let Some(fault) = self.fault.lock().expect("no test panicked here").take() {
            return Box::pin(std::future::ready(Err(fault)));
        }
        let mut events: Vec<PastEvent> = self.events.lock().expect("no test panicked here").clone();
        events.retain(|past| wanted.has(&past.event));
        if !wanted.newest_first {
            events.reverse();
        }
        events.truncate(wanted.limit);
        Box::pin(std::future::ready(Ok(events)))
    }
}

struct Shared(Arc<MemoryState>);

impl State for Shared {
    async fn get(&self, keys: &[Key]) -> PortResult<Vec<Option<Item>>> {
        self.0.get(keys).await
    }

    async fn query(&self, partition: &str, prefix: &str, after: Option<&str>, limit: usize) -> PortResult<Vec<Item>> {
        self.0.query(partition, prefix, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> PortResult<()> {
        self.0.commit(transaction).await
    }
}

#[derive(Default)]
pub struct Ticks(AtomicU64);

impl Clock for Ticks {
    fn now(&self) -> Timestamp {
        NOW
    }
}

impl Chance for Ticks {
    fn draw(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}
