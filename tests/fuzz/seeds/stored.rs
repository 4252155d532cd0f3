//! Items of State as the use cases write them, and bodies as DynamoDB has them.

use adapter_dynamodb::{Packer, Stored};
use adapter_memory::{MemoryLake, MemoryState};
use bytes::Bytes;
use cdp_app::{Choice, Committer, Reading, ReplayJob};
use cdp_event::PartitionId;
use cdp_ports::TableName;
use futures::executor::block_on;

use super::{EVENT, MOMENT, events, place, profiles, sets};
use crate::platform::{Platform, items, platform, record, replay, take_in, with_refused_row};

fn taken_in() -> Platform {
    let platform = platform();
    take_in(&platform, &[record(0, EVENT)]);
    platform
}

fn bodies(platform: &Platform, partition: &str) -> Vec<Vec<u8>> {
    items(&platform.state, partition).into_iter().map(|item| item.body.to_vec()).collect()
}

pub fn stored_checkpoints() -> Vec<Vec<u8>> {
    let platform = taken_in();
    let mut seeds = bodies(&platform, "checkpoints");
    take_in(&platform, &[record(1, "{}"), record(place().1.sequence, EVENT)]);
    seeds.extend(bodies(&platform, "checkpoints"));
    seeds
}

/// Of a file that was read once, then by other settings; and the last of them.
pub fn stored_readings() -> Vec<Vec<u8>> {
    let (state, first) = (MemoryState::default(), PartitionId::of_file("partner", "c0ffee"));
    let mut reading = block_on(Reading::newest(&state, &first)).expect("memory does not fail");
    let body = || items(&state, first.as_str()).swap_remove(0).body.to_vec();
    block_on(reading.replace(&state, first.read_by("0badcafe"))).expect("memory does not fail");
    let replaced = body();
    block_on(reading.be_last(&state)).expect("memory does not fail");
    vec![replaced, body()]
}

pub fn stored_files() -> Vec<Vec<u8>> {
    bodies(&taken_in(), "outbox/events")
}

/// One that is done, and one that was left: its lake refuses files that it was not given.
pub fn stored_plans() -> Vec<Vec<u8>> {
    let (done, left, other_lake) = (taken_in(), taken_in(), MemoryLake::default());
    let table = TableName::Events;
    block_on(Committer { state: &done.state, lake: &done.lake, table }.commit()).expect("its own lake");
    block_on(Committer { state: &left.state, lake: &other_lake, table }.commit()).expect_err("another lake");
    [&done, &left].into_iter().flat_map(|platform| bodies(platform, "plan/events")).collect()
}

/// Of jobs that have sent a row and are not over, and of such that have only begun.
pub fn stored_replays() -> Vec<Vec<u8>> {
    let (sent, empty) = (with_refused_row(), platform());
    let choice = || Choice { until: Some(MOMENT.plus_ms(1)), ..Choice::default() };
    let refused = ReplayJob::of_quarantine(None, choice(), "jane", MOMENT, 7);
    let events = ReplayJob::of_events("s3://old/lake", choice(), "jane", MOMENT);
    for job in [refused, events] {
        assert_eq!(replay(&sent, &job, false).expect("memory does not fail").replayed, 1);
        replay(&empty, &job, false).expect("memory does not fail");
    }
    // Where there is nothing to send a job is over at once, unless its last field says otherwise.
    let begun = bodies(&empty, "replays").into_iter().map(|body| [&body[..], b"\x30\x00"].concat());
    bodies(&sent, "replays").into_iter().chain(begun).collect()
}

/// Also of a body that is larger than any may be.
pub fn packs(packer: &Packer) -> Vec<Vec<u8>> {
    let large = [500_000, 17 << 20].map(|bytes| vec![7; bytes]).to_vec();
    let bodies = [profiles(), sets(), events(), large].concat();
    let packed = bodies.into_iter().filter_map(|body| match packer.pack(&Bytes::from(body), 1000) {
        Stored::Packed(packed) => Some(packed.to_vec()),
        Stored::Plain(_) => None,
    });
    packed.collect()
}
