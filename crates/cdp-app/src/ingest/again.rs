//! A batch that broke off comes again, and a worker meets people whom it does not know: State is not asked event by event.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use adapter_memory::{MemoryLake, MemoryState};
use cdp_event::{PartitionId, Record, Sequence};
use cdp_identity::Rules;
use cdp_ports::{Clock, FaultKind, Item, Key, PortError, PortResult, State, Transaction};
use futures::executor::block_on;

use crate::Ingest;
use crate::keys::CHECKPOINTS;
use crate::small_platform::Counter;

/// Counts its reads, and once breaks off at the end of a batch.
#[derive(Default)]
struct Counting {
    state: MemoryState,
    reads: AtomicUsize,
    breaks: AtomicBool,
}

impl State for Counting {
    async fn get(&self, keys: &[Key]) -> PortResult<Vec<Option<Item>>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.state.get(keys).await
    }

    async fn query(&self, partition: &str, prefix: &str, after: Option<&str>, limit: usize) -> PortResult<Vec<Item>> {
        self.state.query(partition, prefix, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> PortResult<()> {
        let is_end = transaction.writes.len() > 1 && transaction.writes[0].key().partition == CHECKPOINTS;
        if is_end && self.breaks.swap(false, Ordering::Relaxed) {
            return Err(PortError::new(FaultKind::Busy, transaction.naming()));
        }
        self.state.commit(transaction).await
    }
}

type Platform = Ingest<Counting, MemoryLake, Counter>;

fn platform() -> Platform {
    let (state, lake, rules) = (Counting::default(), MemoryLake::default(), Rules::default());
    Ingest { state, lake, clock: Counter::default(), rules }
}

fn records(platform: &Platform, count: u64, event: impl Fn(u64) -> String) -> Vec<Record> {
    let record = |at: u64| Record {
        sequence: Sequence::from(at),
        arrived_at: platform.clock.now(),
        partition_key: "k".into(),
        data: event(at).into(),
    };
    (0..count).map(record).collect()
}

#[test]
fn a_worker_that_knows_nobody_reads_many_at_a_time() {
    block_on(async {
        let platform = platform();
        // Half of the 300 people have a profile for their device, which a login joins.
        let visit =
            records(&platform, 150, |n| format!(r#"{{"type":"page","messageId":"v{n}","anonymousId":"p{n}"}}"#));
        let named = |n: u64| format!(r#""userId":"u{n}","anonymousId":"p{n}","traits":{{"email":"e{n}@x.org"}}"#);
        let first = records(&platform, 300, |n| format!(r#"{{"type":"identify","messageId":"a{n}",{}}}"#, named(n)));
        let known = records(&platform, 300, |n| format!(r#"{{"type":"identify","messageId":"b{n}",{}}}"#, named(n)));
        let renamed = records(&platform, 300, |n| {
            format!(r#"{{"type":"track","event":"Seen","messageId":"c{n}","userId":"u{n}","anonymousId":"q{n}"}}"#)
        });
        for (partition, records, most) in [("a", visit, 20), ("b", first, 30), ("c", known, 30), ("d", renamed, 45)] {
            platform.state.reads.store(0, Ordering::Relaxed);
            let mut worker = platform.open(PartitionId::new(partition)).await.expect("memory");
            let report = worker.take_records(&records, "test").await.expect("memory");
            assert_eq!(report.counts.accepted, records.len() as u64, "{partition}");
            let reads = platform.state.reads.load(Ordering::Relaxed);
            assert!(reads < most, "{reads} reads in {partition}");
        }
    });
}

/// Only five of the devices are hers: each of the others is a doubt.
#[test]
fn many_names_that_are_too_many_are_few_reads() {
    block_on(async {
        let platform = platform();
        let devices = records(&platform, 2000, |n| {
            format!(r#"{{"type":"track","event":"Seen","messageId":"d{n}","userId":"jane","anonymousId":"p{n}"}}"#)
        });
        let mut worker = platform.open(PartitionId::new("a")).await.expect("memory");
        worker.take_records(&devices, "test").await.expect("memory");
        let reads = platform.state.reads.load(Ordering::Relaxed);
        assert!(reads < 30, "{reads} reads");
    });
}

#[test]
fn a_batch_that_broke_off_is_decided_as_before_in_few_reads() {
    block_on(async {
        let platform = platform();
        let records = records(&platform, 600, |at| {
            let (user, phone) = (at % 150, at % 200);
            format!(
                r#"{{"type":"track","event":"Seen","messageId":"{at}","userId":"u{user}","anonymousId":"p{phone}"}}"#
            )
        });
        let shard = PartitionId::new("shard");

        platform.state.breaks.store(true, Ordering::Relaxed);
        let mut partition = platform.open(shard.clone()).await.expect("memory");
        partition.take_records(&records, "test").await.expect_err("it breaks off");
        platform.state.reads.store(0, Ordering::Relaxed);
        let mut partition = platform.open(shard).await.expect("memory");
        let report = partition.take_records(&records, "test").await.expect("memory");
        assert_eq!((report.counts.accepted, report.counts.duplicates), (600, 0));
        let reads = platform.state.reads.load(Ordering::Relaxed);
        assert!(reads < 40, "{reads} reads for 600 events");
    });
}
