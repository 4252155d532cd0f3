//! Resolve: whose is each event? Claims and edges are made here, in transactions of at most 100 items, in event order.

mod ahead;
mod cache;
mod earlier;
mod load;
mod staged;

use std::mem;

use cdp_event::{Event, Identifier, Offset, PartitionId, Reason, Rejection};
use cdp_identity::{BadItem, Candidate, Decision, Demotion, Edge, Known, Occasion, ProfileId, Rules, decide};
use cdp_ports::{Condition, MAX_TRANSACTION_ITEMS, State, Version, Write};
use hashbrown::HashSet;

use self::ahead::Ahead;
pub(super) use self::cache::{IdentityCache, Single};
use self::earlier::Earlier;
use self::load::{Freshness, load};
use self::staged::Staged;
use super::{IngestError, Valid};
use crate::checkpoint;
use crate::keys::checkpoint_key;
use crate::sets::READ_AHEAD;

/// Of one decision: a claim, the root's two, and the fence.
const FEWEST_ITEMS: usize = 4;

/// What identity said of one event.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    pub profile: ProfileId,
    pub claims: Vec<(Identifier<'static>, ProfileId)>,
    pub edges: Vec<Edge>,
    pub demotions: Vec<Demotion>,
    pub blocked: Vec<Identifier<'static>>,
}

impl Resolved {
    fn plain(profile: ProfileId, blocked: Vec<Identifier<'static>>) -> Self {
        Self { profile, claims: vec![], edges: vec![], demotions: vec![], blocked }
    }
}

pub(super) struct Resolver<'r, S> {
    pub state: &'r S,
    pub rules: &'r Rules,
    pub partition: &'r PartitionId,
    /// The checkpoint's version while this worker has the partition.
    pub fence: Version,
    /// Events up to here may have been resolved before.
    pub reach: Option<Offset>,
}

/// Whom an event names.
struct Named<'a> {
    candidates: Vec<Candidate<'a>>,
    alias: Option<Candidate<'a>>,
    blocked: Vec<Identifier<'static>>,
}

impl<'a> Named<'a> {
    fn all(&self) -> impl Iterator<Item = &Candidate<'a>> {
        self.candidates.iter().chain(&self.alias)
    }
}

impl<S: State> Resolver<'_, S> {
    /// One outcome for each event, in order. Repeatable: what an earlier delivery decided is found, not decided again.
    pub async fn resolve(
        &self,
        events: &[Valid<'_>],
        cache: &mut IdentityCache,
    ) -> Result<Vec<Result<Resolved, Rejection>>, IngestError> {
        let mut ahead = self.read_ahead(events, cache).await?;
        let mut outcomes = Vec::with_capacity(events.len());
        let mut most_items = MAX_TRANSACTION_ITEMS;
        while outcomes.len() < events.len() {
            let begun = outcomes.len();
            let mut staged = Staged::default();
            for (at, Valid { event, .. }) in events.iter().enumerate().skip(begun) {
                let outcome = self.resolve_one(at, event, cache, &mut ahead, &mut staged, most_items).await?;
                let Some(outcome) = outcome else { break };
                outcomes.push(outcome);
            }
            if staged.items() == 0 {
                continue;
            }
            let fence = Write::Check { key: checkpoint_key(self.partition), condition: Condition::At(self.fence) };
            match self.state.commit(staged.transaction(fence)).await {
                Ok(()) => {
                    staged.settle(cache);
                    most_items = MAX_TRANSACTION_ITEMS.min(most_items * 2);
                }
                Err(error) if error.is_stale() => {
                    checkpoint::check_fence(self.state, self.partition, self.fence).await?;
                    staged.undo(cache);
                    self.look_again(&events[begun..outcomes.len()], cache, &mut ahead).await?;
                    outcomes.truncate(begun);
                    // The fewer profiles, the less likely that somebody else writes one of them meanwhile.
                    most_items = FEWEST_ITEMS.max(most_items / 2);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(outcomes)
    }

    /// `None`: the transaction is full; commit it first.
    async fn resolve_one(
        &self,
        at: usize,
        event: &Event<'_>,
        cache: &mut IdentityCache,
        ahead: &mut Ahead,
        staged: &mut Staged,
        most_items: usize,
    ) -> Result<Option<Result<Resolved, Rejection>>, IngestError> {
        let mut named = self.named(at, event, cache, ahead).await?;
        let returned = self.may_have_come_before(event.offset);
        if !returned
            && named.alias.is_none()
            && let Some(profile) = self.settled(&named.candidates, cache)
        {
            return Ok(Some(Ok(Resolved::plain(profile, named.blocked))));
        }
        if named.candidates.is_empty() {
            let names = named.blocked.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let detail = format!("all identifiers are placeholders: {names}, by rules {}", self.rules.version());
            return Ok(Some(Err(Rejection::of("userId", Reason::BlockedIdentifiers, detail))));
        }
        let occasion =
            Occasion { partition: self.partition, offset: event.offset, at: event.received_at, source: &event.source };
        let decision = loop {
            let Some(decision) = self.decide(&named, occasion, cache, staged).await? else { return Ok(None) };
            if !self.has_doubts(&decision, cache, ahead).await? {
                break decision;
            }
            named = self.named(at, event, cache, ahead).await?;
        };
        if !staged.has_room(&decision, cache, most_items) {
            return Ok(None);
        }
        let resolved = staged.add(decision, self.partition, event.offset, cache)?;
        let mut resolved = Resolved { blocked: named.blocked.clone(), ..resolved };
        if returned {
            self.recall(&named, event.offset, cache, &ahead.earlier, &mut resolved);
        }
        Ok(Some(Ok(resolved)))
    }

    async fn named<'a>(
        &self,
        at: usize,
        event: &Event<'a>,
        cache: &mut IdentityCache,
        ahead: &mut Ahead,
    ) -> Result<Named<'a>, IngestError> {
        let mut blocked = Vec::new();
        let mut candidates = Vec::with_capacity(event.identifiers.len());
        for (place, identifier) in event.identifiers.iter().enumerate() {
            let candidate = match ahead.claim(at, place) {
                Some(profile) => Some(Candidate { identifier: identifier.clone(), claimed_by: Some(profile) }),
                None => self.candidate(identifier, event.offset, cache, ahead).await?,
            };
            match candidate {
                Some(candidate) => candidates.push(candidate),
                None => blocked.push(identifier.clone().into_owned()),
            }
        }
        let alias = match &event.alias {
            Some(identifier) => {
                let alias = self.candidate(identifier, event.offset, cache, ahead).await?;
                blocked.extend(alias.is_none().then(|| identifier.clone().into_owned()));
                alias
            }
            None => None,
        };
        Ok(Named { candidates, alias, blocked })
    }

    /// `None`: the value is blocked, and was when the event at `offset` came for the first time.
    async fn candidate<'a>(
        &self,
        identifier: &Identifier<'a>,
        offset: Offset,
        cache: &mut IdentityCache,
        ahead: &mut Ahead,
    ) -> Result<Option<Candidate<'a>>, IngestError> {
        let identifier = identifier.clone();
        if let Some(profile) = cache.claimed_by(&identifier) {
            return Ok(Some(Candidate { identifier, claimed_by: Some(profile) }));
        }
        if self.rules.is_blocked(&identifier) {
            let claimed_by = ahead.earlier.claimed(&identifier, offset);
            return Ok(claimed_by.map(|profile| Candidate { identifier, claimed_by: Some(profile) }));
        }
        let known: &HashSet<Identifier<'a>> = &ahead.unclaimed;
        let claimed_by = if known.contains(&identifier) {
            None
        } else {
            self.read_claims(std::slice::from_ref(&identifier), cache, ahead).await?;
            cache.claimed_by(&identifier)
        };
        Ok(Some(Candidate { identifier, claimed_by }))
    }

    /// The event's profile, when everything is claimed and known to be one person: nothing is left to decide.
    fn settled(&self, candidates: &[Candidate<'_>], cache: &IdentityCache) -> Option<ProfileId> {
        let rank = |c: &&Candidate<'_>| self.rules.priority(&c.identifier.namespace).0;
        let first = candidates.iter().min_by_key(rank)?;
        // Between namespaces of one rank, or values of one namespace, `decide` knows the order.
        if candidates.iter().filter(|c| rank(c) == rank(&first)).count() > 1 {
            return self.settled_in_full(candidates, cache);
        }
        self.are_one(candidates, first.claimed_by?, cache)
    }

    fn settled_in_full(&self, candidates: &[Candidate<'_>], cache: &IdentityCache) -> Option<ProfileId> {
        let first =
            candidates.iter().min_by_key(|c| (self.rules.priority(&c.identifier.namespace).0, &c.identifier))?;
        self.are_one(candidates, first.claimed_by?, cache)
    }

    fn are_one(&self, candidates: &[Candidate<'_>], profile: ProfileId, cache: &IdentityCache) -> Option<ProfileId> {
        let are_claimed = candidates.iter().all(|candidate| candidate.claimed_by.is_some());
        let are_one = are_claimed && cache.are_one(candidates.iter().filter_map(|candidate| candidate.claimed_by));
        are_one.then_some(profile)
    }

    fn may_have_come_before(&self, offset: Offset) -> bool {
        self.reach.is_some_and(|reach| offset <= reach)
    }

    /// With the sets that it changes as they stand. `None`: State tells of a set that is staged; commit that first.
    async fn decide(
        &self,
        named: &Named<'_>,
        occasion: Occasion<'_>,
        cache: &mut IdentityCache,
        staged: &Staged,
    ) -> Result<Option<Decision>, IngestError> {
        let claimants: Vec<ProfileId> = named.all().filter_map(|candidate| candidate.claimed_by).collect();
        let mut unread: Vec<ProfileId> =
            claimants.iter().copied().filter(|profile| cache.set_of(*profile).is_none()).collect();
        loop {
            unread.sort_unstable();
            unread.dedup();
            let identifiers = named.all().map(|candidate| &candidate.identifier);
            let loaded = load(self.state, &unread, Freshness::Now, identifiers, cache).await?;
            if loaded.iter().any(|(_, set)| staged.has_set(set.root())) {
                return Ok(None);
            }
            cache.learn(&unread, loaded);
            let (candidates, alias) = (named.candidates.clone(), named.alias.clone());
            let Some(decision) = decide(candidates, alias, cache, self.rules, occasion) else {
                return Err(BadItem::new(
                    "identity set",
                    format!("a claim names a profile without one: {claimants:?}"),
                )
                .into());
            };
            unread = cache.unread(&decision);
            if unread.is_empty() {
                return Ok(Some(decision));
            }
        }
    }

    /// Whether the decision keeps from joining what somebody has claimed a moment ago. What it claims needs no second look. Where
    /// there is a second doubt there may be thousands: all are dispelled together.
    async fn has_doubts(
        &self,
        decision: &Decision,
        cache: &mut IdentityCache,
        ahead: &mut Ahead,
    ) -> Result<bool, IngestError> {
        let demoted = decision.demotions.iter().filter(|demotion| demotion.claimed_by.is_none());
        let doubted: Vec<Identifier<'static>> =
            demoted.map(|demotion| demotion.identifier.clone()).filter(|id| ahead.doubtful.remove(id)).collect();
        if doubted.is_empty() {
            return Ok(false);
        }
        let mut wanted = doubted.clone();
        if mem::replace(&mut ahead.had_doubts, true) {
            wanted.extend(ahead.doubtful.drain());
        }
        for some in wanted.chunks(READ_AHEAD) {
            some.iter().for_each(|identifier| _ = ahead.unclaimed.remove(identifier));
            self.read_claims(some, cache, ahead).await?;
        }
        Ok(doubted.iter().any(|identifier| cache.claimed_by(identifier).is_some()))
    }

    /// What an earlier delivery of this very event claimed and joined belongs to its outcome.
    fn recall(
        &self,
        named: &Named<'_>,
        offset: Offset,
        cache: &IdentityCache,
        earlier: &Earlier,
        resolved: &mut Resolved,
    ) {
        for Candidate { identifier, .. } in named.all() {
            if let Some(profile) = earlier.claimed(identifier, offset) {
                resolved.claims.push((identifier.clone().into_owned(), profile));
            }
        }
        if let Some(set) = cache.set_of(resolved.profile) {
            let ours = |edge: &&Edge| edge.partition == *self.partition && edge.offset == offset;
            let joined = set.edges.iter().filter(ours).filter(|edge| !resolved.edges.contains(edge));
            let joined: Vec<Edge> = joined.cloned().collect();
            resolved.edges.extend(joined);
        }
    }
}
