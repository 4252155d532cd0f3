//! What State and queues hold: items of partitions, outboxes, plans and replays, and items as DynamoDB has them. What can't be
//! read is told; what can be read is gone on with, and written as it was.

use adapter_dynamodb::{Packer, Stored};
use adapter_memory::MemoryState;
use bytes::Bytes;
use cdp_app::{Checkpoint, Checkpoints, Committer, IngestError, Progress, Reading, ReplayJob, retire, waiting_files};
use cdp_event::{PartitionId, Sequence};
use cdp_ports::{Key, TableName};
use futures::executor::block_on;

use crate::decoders::JSON;
use crate::memory::most_held;
use crate::platform::{items, platform, put, record, replay, shard, take_in, with_refused_row};
use crate::seeds::{self, EVENT};
use crate::{fuzz, fuzz_one_in};

/// A body of 16 MiB, which is the most that a pack may say it holds, packed anew.
const MEMORY_BYTES: usize = 64 << 20;

/// Fields of protobuf, the largest numbers among them.
const FIELDS: [&[u8]; 10] = [
    b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x38\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x40\x01",
    b"\x0a\x00",
    b"\x12\x00",
    b"\x12\x01a",
];

#[test]
fn a_checkpoint_that_is_read_is_gone_on_from_and_written_again() {
    fuzz_one_in(20, &seeds::stored_checkpoints(), &FIELDS, |bytes| {
        let platform = platform();
        put(&platform.state, Key::new("checkpoints", shard().as_str()), bytes);
        let load = || block_on(Checkpoint::load(&platform.state, &shard()));
        let Ok(stored) = load() else { return };
        let before = stored.expect("it was put");
        let last = Sequence::from_be_bytes(&[0xff; 24]).expect("as long as they get");
        let next = record(last, EVENT);
        let is_new = before.done.is_none_or(|done| next.sequence > done);
        let taken = block_on(async { platform.open(shard()).await?.take_records(&[next], "fuzz").await });
        match taken {
            Ok(report) => assert_eq!(report.counts.accepted, u64::from(is_new)),
            Err(IngestError::Closed(_)) => assert!(before.closed),
            Err(error) => panic!("{error}"),
        }
        let open = load().expect("it was read before").expect("it was put");
        assert!(open.done >= before.done && open.reach >= before.reach);
        assert!(open.counts.accepted >= before.counts.accepted);
        retire_all(&platform.state);
        let closed = load().expect("it was read before").expect("it was put");
        assert_eq!(closed, Checkpoint { closed: true, ..open });
    });
}

fn retire_all(state: &MemoryState) {
    let mut open = Checkpoints::default();
    let closed = block_on(async {
        open.refresh(state).await?;
        retire(state, &open, |_| true).await
    });
    assert_eq!(closed.expect("it was read before"), [shard()]);
}

#[test]
fn a_reading_that_is_read_is_made_the_last_one() {
    fuzz_one_in(20, &seeds::stored_readings(), &FIELDS, |bytes| {
        let (state, first) = (MemoryState::default(), PartitionId::of_file("partner", "c0ffee"));
        put(&state, Key::new(first.as_str(), "reading"), bytes);
        let Ok(mut reading) = block_on(Reading::newest(&state, &first)) else { return };
        block_on(reading.be_last(&state)).expect("memory does not fail");
        let stored = block_on(Reading::newest(&state, &first.read_by("other"))).expect("it was read before");
        assert!(stored.is_last && stored == reading);
    });
}

#[test]
fn files_of_the_outbox_are_committed_once_or_stay_there() {
    fuzz_one_in(20, &seeds::stored_files(), &FIELDS, |bytes| {
        let platform = platform();
        take_in(&platform, &[record(0, EVENT)]);
        let (state, lake, table) = (&platform.state, &platform.lake, TableName::Events);
        // Two of them: what a plan takes is added up.
        let first = items(state, "outbox/events").swap_remove(0).key;
        let second = Key::new(first.partition.clone(), format!("{}-2", first.sort));
        [&first, &second].into_iter().for_each(|key| put(state, key.clone(), bytes));

        let waiting = block_on(waiting_files(state, table));
        let committed = block_on(Committer { state, lake, table }.commit());
        match (waiting, committed) {
            (Ok(waiting), Ok(Some(committed))) => {
                assert_eq!((committed.plan, committed.files), (1, 2));
                assert_eq!(lake.files(table).iter().map(|file| file.path.clone()).collect::<Vec<_>>(), waiting);
                assert_eq!(items(state, "outbox/events"), []);
            }
            (_, Err(_)) => assert_eq!(items(state, "outbox/events").len(), 2, "what was not committed waits"),
            (waiting, committed) => panic!("{waiting:?} {committed:?}"),
        }
    });
}

#[test]
fn a_plan_that_is_read_is_done_or_told() {
    fuzz_one_in(20, &seeds::stored_plans(), &FIELDS, |bytes| {
        let platform = platform();
        take_in(&platform, &[record(0, EVENT)]);
        put(&platform.state, Key::new("plan/events", "current"), bytes);
        let committer = Committer { state: &platform.state, lake: &platform.lake, table: TableName::Events };
        let waiting = items(&platform.state, "outbox/events");
        match block_on(committer.drain()) {
            Ok(_) => {
                assert_eq!(block_on(committer.commit()).expect("as before"), None);
                let rows = platform.lake.files(TableName::Events).len();
                assert_eq!(items(&platform.state, "outbox/events"), []);
                assert_eq!(rows, 1);
            }
            Err(_) => assert_eq!(items(&platform.state, "outbox/events"), waiting),
        }
    });
}

#[test]
fn a_replay_job_that_is_read_is_written_again() {
    fuzz(&seeds::replay_jobs(), &JSON, |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        match ReplayJob::parse(text) {
            Ok(job) => {
                assert!((1..=500).contains(&job.id.len()));
                assert_eq!(ReplayJob::parse(&job.to_json()), Ok(job));
            }
            Err(error) => assert!(error.to_string().len() > "this is no replay job: ".len()),
        }
    });
}

#[test]
fn a_replay_in_hand_that_is_read_is_done_and_written_again() {
    fuzz_one_in(50, &seeds::stored_replays(), &FIELDS, |bytes| {
        let platform = with_refused_row();
        put(&platform.state, Key::new("replays", "r"), bytes);
        let load = |id: &str| block_on(Progress::load(&platform.state, id));
        let Ok(stored) = load("r") else { return };
        let job = stored.expect("it was put").job;
        // It may say that it is another one, and that one begins then.
        if let Ok(progress) = replay(&platform, &job, true) {
            assert!(progress.done);
            assert_eq!(load(&job.id).expect("just written"), Some(progress));
        }
    });
}

#[test]
fn what_is_packed_comes_back() {
    let packer = Packer::default();
    let seeds = [seeds::profiles(), seeds::sets(), seeds::events()].concat();
    fuzz_one_in(4, &seeds, &FIELDS, |bytes| {
        let body = Bytes::copy_from_slice(bytes);
        match packer.pack(&body, 100) {
            Stored::Plain(plain) => assert_eq!(plain, body),
            Stored::Packed(packed) => {
                assert!(packed.len() < body.len());
                assert_eq!(packer.unpack(&packed).expect("just packed"), body);
            }
        }
    });
}

#[test]
fn a_pack_that_is_damaged_is_refused_or_is_another_body() {
    let packer = Packer::default();
    let words: [&[u8]; 4] = [b"\x28\xb5\x2f\xfd", b"\xff\xff\xff\xff\xff\xff\xff\xff", b"\xe0", b"\x00\x00\x01"];
    fuzz_one_in(4, &seeds::packs(&packer), &words, |bytes| {
        let held = most_held(|| {
            let Ok(body) = packer.unpack(bytes) else { return };
            assert!(body.len() <= 16 << 20);
            if let Stored::Packed(packed) = packer.pack(&body, 0) {
                assert_eq!(packer.unpack(&packed).expect("just packed"), body);
            }
        });
        assert!(held <= MEMORY_BYTES, "{held} bytes of memory");
    });
}
