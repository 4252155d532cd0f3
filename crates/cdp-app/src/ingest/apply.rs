//! Apply: each event to its one profile, in order. One conditional write for each profile that the batch touches.

use bytes::Bytes;
use cdp_event::{PartitionId, Timestamp};
use cdp_identity::ProfileId;
use cdp_ports::{Condition, Item, PortResult, State, Transaction, Version, Write};
use cdp_profile::Member;
use hashbrown::HashMap;

use super::{IngestError, Landing};
use crate::checkpoint::Checkpoints;
use crate::keys::member_key;

/// Profiles of one read.
const READ_AHEAD: usize = 500;

pub(super) async fn apply(
    state: &impl State,
    partition: &PartitionId,
    landing: &mut [Landing<'_, '_>],
    in_flight: &Checkpoints,
    now: Timestamp,
) -> Result<(), IngestError> {
    let groups = by_profile(landing);
    for some in groups.chunks(READ_AHEAD) {
        let keys: Vec<_> = some.iter().map(|(profile, _)| member_key(*profile)).collect();
        for ((profile, events), item) in some.iter().zip(state.get(&keys).await?) {
            let mut item = item;
            while !apply_to_one(state, partition, landing, *profile, events, item, in_flight, now).await? {
                item = state.get(&[member_key(*profile)]).await?.pop().flatten();
            }
        }
    }
    Ok(())
}

/// Profiles in the order in which the batch first names them, each with its events.
fn by_profile(landing: &[Landing<'_, '_>]) -> Vec<(ProfileId, Vec<usize>)> {
    let mut places: HashMap<ProfileId, usize> = HashMap::new();
    let mut groups: Vec<(ProfileId, Vec<usize>)> = Vec::new();
    for (at, landing) in landing.iter().enumerate() {
        let profile = landing.resolved.profile;
        let place = *places.entry(profile).or_insert_with(|| {
            groups.push((profile, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(at);
    }
    groups
}

/// False: somebody else has written the profile meanwhile.
#[expect(clippy::too_many_arguments, reason = "one step of a loop, split off for its own sake")]
async fn apply_to_one(
    state: &impl State,
    partition: &PartitionId,
    landing: &mut [Landing<'_, '_>],
    profile: ProfileId,
    events: &[usize],
    item: Option<Item>,
    in_flight: &Checkpoints,
    now: Timestamp,
) -> Result<bool, IngestError> {
    let (version, mut member) = match item {
        Some(item) => (Some(item.version), Member::decode(item.body)?),
        None => (None, Member::new(profile)),
    };
    let before = reached(&member, partition);
    for &at in events {
        let landing = &mut landing[at];
        landing.verdict = member.apply(partition, landing.event);
    }
    if reached(&member, partition) == before {
        return Ok(true);
    }
    member.forget(in_flight, now);
    match put(state, profile, member.encode(), version).await {
        Ok(()) => Ok(true),
        Err(error) if error.is_stale() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn reached(member: &Member, partition: &PartitionId) -> Option<cdp_event::Offset> {
    member.applied().iter().find(|(p, _)| p == partition).map(|(_, offset)| *offset)
}

async fn put(state: &impl State, profile: ProfileId, body: Bytes, expected: Option<Version>) -> PortResult<()> {
    let condition = expected.map_or(Condition::Absent, Condition::At);
    let writes = vec![Write::Put { key: member_key(profile), body, condition }];
    state.commit(Transaction { writes, durable: false }).await
}
