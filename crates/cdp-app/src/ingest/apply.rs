//! Apply: each event to its one profile, in order. One conditional write for each profile that the batch touches.

use std::mem;

use cdp_event::{Identifier, PartitionId};
use cdp_identity::{Belonging, Known, ProfileId};
use cdp_ports::{FaultKind, Item, Key, State, Transaction, Version, Write};
use cdp_profile::{Member, Outline};
use hashbrown::HashMap;

use super::resolve::{IdentityCache, Single, founded};
use super::{IngestError, LandingEvent};
use crate::checkpoint::Checkpoints;
use crate::keys::profile_key;
use crate::profile_item::ProfileItem;

/// Profiles that are read, and written, together.
const AT_A_TIME: usize = 128;

/// The profiles that the batch touched, as they stand after it.
#[derive(Default)]
pub(super) struct Applied {
    /// With their versions.
    pub outlines: HashMap<ProfileId, (Version, Outline)>,
    pub belongings: HashMap<ProfileId, Belonging>,
}

pub(super) struct Apply<'a, S> {
    pub state: &'a S,
    pub partition: &'a PartitionId,
    pub in_flight: &'a mut Checkpoints,
    /// Knows the sets of new profiles.
    pub cache: &'a IdentityCache,
}

/// A profile and its events, by their places in the batch.
type Group = (ProfileId, Vec<usize>);

/// A profile as it was read, and the version that it was read at; without one, it is new.
type Read = (Option<Version>, ProfileItem);

/// Whether events that were not applied yet are applied now, or noted as refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    There,
    Not,
}

/// What becomes of a profile.
struct Next {
    belonging: Belonging,
    outline: Outline,
    read_at: Option<Version>,
    /// False: it was all applied before.
    is_changed: bool,
    writes: Vec<Write>,
}

/// Groups that have not been applied.
#[derive(Default)]
struct Left {
    /// Their profiles have changed since they were read.
    stale: Vec<Group>,
    /// The store takes their profiles no larger.
    full: Vec<Group>,
}

impl<S: State> Apply<'_, S> {
    pub async fn apply(&mut self, landing: &mut [LandingEvent<'_, '_>]) -> Result<Applied, IngestError> {
        let mut applied = Applied::default();
        // Whoever this batch has joined was written a moment ago.
        let is_joined = |(_, events): &Group| events.iter().any(|at| !landing[*at].resolved.edges.is_empty());
        let (mut late, groups): (Vec<Group>, Vec<Group>) = by_profile(landing).into_iter().partition(is_joined);
        for some in groups.chunks(AT_A_TIME) {
            let read = self.peek(some, landing).await?;
            let Left { stale, full } = self.apply_some(some, read, Room::There, landing, &mut applied).await?;
            late.extend(stale.into_iter().chain(full));
        }
        // And whom somebody else has written meanwhile, or a moment ago.
        let mut full = Vec::new();
        while !late.is_empty() {
            let left = self.apply_anew(mem::take(&mut late), Room::There, landing, &mut applied).await?;
            (late, full) = (left.stale, [full, left.full].concat());
        }
        while !full.is_empty() {
            full = self.apply_anew(full, Room::Not, landing, &mut applied).await?.stale;
        }
        Ok(applied)
    }

    async fn apply_anew(
        &mut self,
        groups: Vec<Group>,
        room: Room,
        landing: &mut [LandingEvent<'_, '_>],
        applied: &mut Applied,
    ) -> Result<Left, IngestError> {
        let mut all = Left::default();
        for some in groups.chunks(AT_A_TIME) {
            let read = self.get(some, landing).await?;
            let Left { stale, full } = self.apply_some(some, read, room, landing, applied).await?;
            all.stale.extend(stale);
            all.full.extend(full);
        }
        Ok(all)
    }

    /// The profiles as the batch knows them already, or as they may have been a moment ago.
    async fn peek(&self, groups: &[Group], landing: &[LandingEvent<'_, '_>]) -> Result<Vec<Read>, IngestError> {
        let unknown = groups.iter().filter(|(profile, _)| self.cache.single(*profile).is_none());
        let unknown: Vec<Key> = unknown.map(|(profile, _)| profile_key(*profile)).collect();
        let mut items = self.state.peek(&unknown).await?.into_iter();
        let mut read = Vec::with_capacity(groups.len());
        for group in groups {
            read.push(match self.cache.single(group.0) {
                Some((Single { version, member, .. }, set)) => {
                    let belonging = Belonging::Alone(set.clone());
                    (*version, ProfileItem { belonging, member: member.clone() })
                }
                None => self.read(group, items.next().flatten(), landing).await?,
            });
        }
        Ok(read)
    }

    async fn get(&self, groups: &[Group], landing: &[LandingEvent<'_, '_>]) -> Result<Vec<Read>, IngestError> {
        let keys: Vec<Key> = groups.iter().map(|(profile, _)| profile_key(*profile)).collect();
        let mut read = Vec::with_capacity(groups.len());
        for (group, item) in groups.iter().zip(self.state.get(&keys).await?) {
            read.push(self.read(group, item, landing).await?);
        }
        Ok(read)
    }

    async fn apply_some(
        &mut self,
        groups: &[Group],
        read: Vec<Read>,
        room: Room,
        landing: &mut [LandingEvent<'_, '_>],
        applied: &mut Applied,
    ) -> Result<Left, IngestError> {
        self.in_flight.learn(self.state, read.iter().flat_map(|(_, item)| item.member.partitions())).await?;
        let nexts = groups.iter().zip(read).map(|((_, events), read)| self.next(events, read, room, landing));
        let mut nexts: Vec<Next> = nexts.collect();
        let writes = nexts.iter_mut().filter(|next| next.is_changed).map(|next| mem::take(&mut next.writes));
        let transactions = writes.map(|writes| Transaction { writes, durable: false }).collect();
        let mut outcomes = self.state.commit_each(transactions).await.into_iter();
        let mut left = Left::default();
        for (group, next) in groups.iter().zip(nexts) {
            let outcome = if next.is_changed { outcomes.next().unwrap_or(Ok(())) } else { Ok(()) };
            match outcome {
                Ok(()) => applied.insert(group.0, next),
                Err(error) if error.is_stale() => left.stale.push(group.clone()),
                Err(error) if error.kind == FaultKind::Refused => {
                    tracing::warn!(profile = %group.0, "{} takes no more events for now: {error}", group.0);
                    left.full.push(group.clone());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(left)
    }

    async fn read(
        &self,
        (profile, events): &Group,
        item: Option<Item>,
        landing: &[LandingEvent<'_, '_>],
    ) -> Result<Read, IngestError> {
        if let Some(item) = item {
            return Ok((Some(item.version), ProfileItem::decode(item.body)?));
        }
        let new = |set| (None, ProfileItem { belonging: Belonging::Alone(set), member: Member::new(*profile) });
        if let Some(set) = self.cache.set_of(*profile).filter(|set| set.members() == [*profile]) {
            return Ok(new(set.clone()));
        }
        // Another partition's events have founded it. They are on their way, if they did not come a moment ago.
        if let Some(item) = self.state.get(&[profile_key(*profile)]).await?.pop().flatten() {
            return Ok((Some(item.version), ProfileItem::decode(item.body)?));
        }
        let named = events.iter().flat_map(|at| landing[*at].event.named()).cloned();
        Ok(new(founded(self.state, *profile, &named.collect::<Vec<Identifier<'_>>>()).await?))
    }

    fn next(&self, events: &[usize], (read_at, item): Read, room: Room, landing: &mut [LandingEvent<'_, '_>]) -> Next {
        let ProfileItem { belonging, mut member } = item;
        let reached = member.reached(self.partition);
        if let (Room::Not, Some(last)) = (room, events.last()) {
            member.refuse(self.partition, landing[*last].event.offset);
        }
        // By the stream's time, not the clock's: what waited a week is known from its retry all the same.
        let newest = events.iter().map(|at| landing[*at].arrived_at).max().unwrap_or_default();
        for &at in events {
            let landing = &mut landing[at];
            landing.verdict = member.apply(self.partition, landing.event, landing.arrived_at);
        }
        let is_changed = member.reached(self.partition) != reached;
        let outline = Outline::from(&member);
        let mut writes = Vec::new();
        if is_changed {
            member.forget(&*self.in_flight, newest);
            writes = ProfileItem { belonging: belonging.clone(), member }.writes(read_at);
        }
        Next { belonging, outline, read_at, is_changed, writes }
    }
}

impl Applied {
    fn insert(&mut self, profile: ProfileId, next: Next) {
        let version = next.read_at.unwrap_or(0) + Version::from(next.is_changed);
        self.outlines.insert(profile, (version, next.outline));
        self.belongings.insert(profile, next.belonging);
    }
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
