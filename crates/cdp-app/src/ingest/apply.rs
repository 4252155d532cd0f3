//! Apply: each event to its one profile, in order. One conditional write for each profile that the batch touches.

use bytes::Bytes;
use cdp_event::{Offset, PartitionId};
use cdp_identity::{BadItem, ProfileId};
use cdp_ports::{Condition, FaultKind, Item, State, Transaction, Version, Write};
use cdp_profile::{Member, Outline};
use hashbrown::HashMap;

use super::{IngestError, LandingEvent};
use crate::checkpoint::Checkpoints;
use crate::keys::member_key;

/// Profiles that are read, and written, together.
const AT_A_TIME: usize = 128;

/// The profiles that the batch touched, as they stand after it, with their versions.
pub(super) type Applied = HashMap<ProfileId, (Version, Outline)>;

pub(super) struct Apply<'a, S> {
    pub state: &'a S,
    pub partition: &'a PartitionId,
    pub in_flight: &'a mut Checkpoints,
}

/// A profile and its events, by their places in the batch.
type Group = (ProfileId, Vec<usize>);

/// What becomes of a profile, and the version that it was read at.
struct Next {
    outline: Outline,
    /// The highest offset that had been applied to it before.
    reached: Option<Offset>,
    /// What is to be written. `None`: it was all applied before.
    body: Option<Bytes>,
    read_at: Option<Version>,
}

impl<S: State> Apply<'_, S> {
    pub async fn apply(&mut self, landing: &mut [LandingEvent<'_, '_>]) -> Result<Applied, IngestError> {
        let mut applied = Applied::default();
        let mut groups = by_profile(landing);
        // What somebody else has written meanwhile is read again.
        while !groups.is_empty() {
            let mut stale = Vec::new();
            for some in groups.chunks(AT_A_TIME) {
                stale.extend(self.apply_some(some, landing, &mut applied).await?);
            }
            groups = stale;
        }
        Ok(applied)
    }

    /// Answers the groups that came too late.
    async fn apply_some(
        &mut self,
        groups: &[Group],
        landing: &mut [LandingEvent<'_, '_>],
        applied: &mut Applied,
    ) -> Result<Vec<Group>, IngestError> {
        let keys: Vec<_> = groups.iter().map(|(profile, _)| member_key(*profile)).collect();
        let items = self.state.get(&keys).await?;
        let read = groups.iter().zip(items).map(|((profile, _), item)| read(*profile, item));
        let read: Vec<(Option<Version>, Member)> = read.collect::<Result<_, _>>()?;
        self.in_flight.learn(self.state, read.iter().flat_map(|(_, member)| member.partitions())).await?;
        let nexts = groups.iter().zip(read).map(|((_, events), read)| self.next(events, read, landing));
        let nexts: Vec<Next> = nexts.collect();
        let writes = groups.iter().zip(&nexts).filter_map(|((profile, _), next)| write(*profile, next)).collect();
        let mut outcomes = self.state.commit_each(writes).await.into_iter();
        let mut stale = Vec::new();
        for (group, Next { outline, reached, body, read_at }) in groups.iter().zip(nexts) {
            let is_changed = body.is_some();
            let outcome = if is_changed { outcomes.next().unwrap_or(Ok(())) } else { Ok(()) };
            match outcome {
                Ok(()) => {
                    let version = read_at.unwrap_or(0) + Version::from(is_changed);
                    applied.insert(group.0, (version, outline));
                }
                Err(error) if error.is_stale() => stale.push(group.clone()),
                Err(error) if error.kind == FaultKind::Refused => {
                    tracing::warn!(profile = %group.0, "{} takes no more events for now: {error}", group.0);
                    refuse(&group.1, reached, landing);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(stale)
    }

    fn next(
        &self,
        events: &[usize],
        (read_at, mut member): (Option<Version>, Member),
        landing: &mut [LandingEvent<'_, '_>],
    ) -> Next {
        let reached = member.reached(self.partition);
        // By the stream's time, not the clock's: what waited a week is known from its retry all the same.
        let newest = events.iter().map(|at| landing[*at].arrived_at).max().unwrap_or_default();
        for &at in events {
            let landing = &mut landing[at];
            landing.verdict = Some(member.apply(self.partition, landing.event, landing.arrived_at));
        }
        let is_changed = member.reached(self.partition) != reached;
        let outline = Outline::from(&member);
        let body = is_changed.then(|| {
            member.forget(&*self.in_flight, newest);
            member.encode()
        });
        Next { outline, reached, body, read_at }
    }
}

/// A profile, and the version that it stands at.
fn read(profile: ProfileId, item: Option<Item>) -> Result<(Option<Version>, Member), BadItem> {
    Ok(match item {
        Some(item) => (Some(item.version), Member::decode(item.body)?),
        None => (None, Member::new(profile)),
    })
}

/// What was not applied before is not applied now.
fn refuse(events: &[usize], reached: Option<Offset>, landing: &mut [LandingEvent<'_, '_>]) {
    for &at in events {
        if Some(landing[at].event.offset) > reached {
            landing[at].verdict = None;
        }
    }
}

fn write(profile: ProfileId, next: &Next) -> Option<Transaction> {
    let condition = next.read_at.map_or(Condition::Absent, Condition::At);
    let body = next.body.clone()?;
    Some(Transaction { writes: vec![Write::Put { key: member_key(profile), body, condition }], durable: false })
}

/// Profiles in the order in which the batch first names them, each with its events.
fn by_profile(landing: &[LandingEvent<'_, '_>]) -> Vec<Group> {
    let mut places: HashMap<ProfileId, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
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
