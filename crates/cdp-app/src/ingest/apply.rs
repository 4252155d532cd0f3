//! Apply: each event to its one profile, in order. One conditional write for each profile that the batch touches.

use std::collections::HashSet;
use std::mem;

use cdp_event::PartitionId;
use cdp_identity::{BadItem, Belonging, ProfileId};
use cdp_ports::{FaultKind, Item, Key, State, Transaction, Version, Write};
use cdp_profile::{Member, Outline};
use hashbrown::HashMap;

use super::resolve::{IdentityCache, Single};
use super::{IngestError, LandingEvent};
use crate::checkpoint::{Checkpoints, check_fence};
use crate::keys::profile_key;
use crate::profile_item::ProfileItem;
use crate::sets::founded;

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
    /// The checkpoint's version while this worker has the partition.
    pub fence: Version,
    pub in_flight: &'a mut Checkpoints,
    /// Knows the sets of new profiles.
    pub cache: &'a IdentityCache,
}

/// A profile and its events, by their places in the batch.
type Group = (ProfileId, Vec<usize>);

/// A group, its profile as it was read, and the version that it was read at; without one, it is new.
type Task = (Group, Option<Version>, ProfileItem);

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
            let tasks = self.peek(some, landing).await?;
            let Left { stale, full } = self.apply_some(tasks, Room::There, landing, &mut applied).await?;
            late.extend(stale.into_iter().chain(full));
        }
        // And whom somebody else has written meanwhile, or a moment ago.
        let mut full = Vec::new();
        while !late.is_empty() {
            let left = self.apply_anew(mem::take(&mut late), Room::There, landing, &mut applied).await?;
            (late, full) = (left.stale, [full, left.full].concat());
        }
        while !full.is_empty() {
            let left = self.apply_anew(full, Room::Not, landing, &mut applied).await?;
            for (profile, _) in &left.full {
                tracing::error!(%profile, "{profile} has no room to note what it refused; if that is delivered again, it may count");
            }
            full = left.stale;
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
            let mut tasks = Vec::with_capacity(some.len());
            self.get(some.to_vec(), landing, &mut tasks).await?;
            let Left { stale, full } = self.apply_some(tasks, room, landing, applied).await?;
            all.stale.extend(stale);
            all.full.extend(full);
        }
        Ok(all)
    }

    /// The profiles as the batch knows them already, or as they may have been a moment ago.
    async fn peek(&self, groups: &[Group], landing: &[LandingEvent<'_, '_>]) -> Result<Vec<Task>, IngestError> {
        let mut tasks = Vec::with_capacity(groups.len());
        let mut unknown = Vec::new();
        for group in groups {
            match self.cache.single(group.0) {
                Some((Single { version, member }, set)) => {
                    let member = Member::decode(member.clone(), group.0)?;
                    let item = ProfileItem { belonging: Belonging::Alone(set.clone()), member };
                    tasks.push((group.clone(), *version, item));
                }
                None => unknown.push(group.clone()),
            }
        }
        let items = self.state.peek(&keys_of(&unknown)).await?;
        let missing = take_read(unknown, items, &mut tasks)?;
        self.get(missing, landing, &mut tasks).await?;
        Ok(tasks)
    }

    /// The profiles as they stand. Those that are not there yet were founded by another partition's events, which are on their way.
    async fn get(
        &self,
        groups: Vec<Group>,
        landing: &[LandingEvent<'_, '_>],
        tasks: &mut Vec<Task>,
    ) -> Result<(), IngestError> {
        if groups.is_empty() {
            return Ok(());
        }
        let items = self.state.get(&keys_of(&groups)).await?;
        let missing = take_read(groups, items, tasks)?;
        let profiles: HashSet<ProfileId> = missing.iter().map(|(profile, _)| *profile).collect();
        let named = missing.iter().flat_map(|(_, events)| events).flat_map(|at| landing[*at].event.named());
        let mut sets = founded(self.state, &profiles, named).await?;
        for group in missing {
            if let Some(set) = sets.remove(&group.0) {
                let item = ProfileItem { belonging: Belonging::Alone(set), member: Member::new(group.0) };
                tasks.push((group, None, item));
            }
        }
        Ok(())
    }

    async fn apply_some(
        &mut self,
        tasks: Vec<Task>,
        room: Room,
        landing: &mut [LandingEvent<'_, '_>],
        applied: &mut Applied,
    ) -> Result<Left, IngestError> {
        self.in_flight.learn(self.state, tasks.iter().flat_map(|(.., item)| item.member.partitions())).await?;
        // After the profiles were read: whoever has the partition now writes them later, so that these writes come too late.
        check_fence(self.state, self.partition, self.fence).await?;
        let (mut nexts, mut transactions) = (Vec::with_capacity(tasks.len()), Vec::with_capacity(tasks.len()));
        for (group, read_at, item) in tasks {
            let (next, writes) = self.next(&group.1, read_at, item, room, landing);
            if next.is_changed {
                transactions.push(Transaction { writes, durable: false });
            }
            nexts.push((group, next));
        }
        let mut outcomes = self.state.commit_each(transactions).await.into_iter();
        let mut left = Left::default();
        for (group, next) in nexts {
            let outcome = if next.is_changed { outcomes.next().unwrap_or(Ok(())) } else { Ok(()) };
            match outcome {
                Ok(()) => applied.insert(group.0, next),
                Err(error) if error.is_stale() => left.stale.push(group),
                Err(error) if error.kind == FaultKind::Refused => {
                    tracing::warn!(profile = %group.0, "{} takes no more events for now: {error}", group.0);
                    left.full.push(group);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(left)
    }

    fn next(
        &self,
        events: &[usize],
        read_at: Option<Version>,
        item: ProfileItem,
        room: Room,
        landing: &mut [LandingEvent<'_, '_>],
    ) -> (Next, Vec<Write>) {
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
        (Next { belonging, outline, read_at, is_changed }, writes)
    }
}

fn keys_of(groups: &[Group]) -> Vec<Key> {
    groups.iter().map(|(profile, _)| profile_key(*profile)).collect()
}

/// Answers the groups whose profiles are not there.
fn take_read(groups: Vec<Group>, items: Vec<Option<Item>>, tasks: &mut Vec<Task>) -> Result<Vec<Group>, BadItem> {
    let mut missing = Vec::new();
    for (group, item) in groups.into_iter().zip(items) {
        match item {
            Some(item) => {
                let profile = ProfileItem::decode(item.body, group.0)?;
                tasks.push((group, Some(item.version), profile));
            }
            None => missing.push(group),
        }
    }
    Ok(missing)
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
