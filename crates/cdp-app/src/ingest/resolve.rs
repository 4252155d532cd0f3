//! Resolve: whose is each event? Claims and edges are made here, in transactions of at most 100 items, in event order.

mod cache;
mod earlier;
mod load;
mod staged;

use cdp_event::{Event, Identifier, Offset, PartitionId, Reason, Rejection};
use cdp_identity::{BadItem, Candidate, Claim, Decision, Demotion, Edge, Known, Occasion, ProfileId, Rules, decide};
use cdp_ports::{Condition, Item, State, Version, Write};
use hashbrown::HashSet;

pub(super) use self::cache::{IdentityCache, Single};
use self::earlier::Earlier;
pub(super) use self::load::founded;
use self::load::load;
use self::staged::Staged;
use super::{IngestError, Valid};
use crate::checkpoint;
use crate::keys::{checkpoint_key, claim_key};

/// Keys of one read.
const READ_AHEAD: usize = 1000;

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

/// What was known of a batch's identifiers before it.
struct Ahead {
    /// Who had claimed each identifier that the events name, in their order, where the cache knew. True for ever.
    claims: Vec<Option<ProfileId>>,
    /// Where each event's begin.
    starts: Vec<usize>,
    /// Those that nobody had claimed.
    unclaimed: HashSet<Identifier<'static>>,
    earlier: Earlier,
}

impl Ahead {
    fn claim(&self, event: usize, identifier: usize) -> Option<ProfileId> {
        let start = self.starts.get(event)?;
        self.claims.get(start + identifier).copied().flatten()
    }

    /// What the events name may be claimed by now.
    fn forget(&mut self, events: &[Valid<'_>]) {
        for identifier in events.iter().flat_map(|valid| valid.event.named()) {
            self.unclaimed.remove(&identifier.clone().into_owned());
        }
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

impl<S: State> Resolver<'_, S> {
    /// One outcome for each event, in order. Repeatable: what an earlier delivery decided is found, not decided again.
    pub async fn resolve(
        &self,
        events: &[Valid<'_>],
        cache: &mut IdentityCache,
    ) -> Result<Vec<Result<Resolved, Rejection>>, IngestError> {
        cache.begin_batch();
        let mut ahead = self.read_ahead(events, cache).await?;
        let mut outcomes = Vec::with_capacity(events.len());
        while outcomes.len() < events.len() {
            let begun = outcomes.len();
            let mut staged = Staged::default();
            for (at, Valid { event, .. }) in events.iter().enumerate().skip(begun) {
                let outcome = self.resolve_one(at, event, cache, &mut ahead, &mut staged).await?;
                let Some(outcome) = outcome else { break };
                outcomes.push(outcome);
            }
            if staged.items() == 0 {
                continue;
            }
            let fence = Write::Check { key: checkpoint_key(self.partition), condition: Condition::At(self.fence) };
            match self.state.commit(staged.transaction(fence)).await {
                Ok(()) => staged.settle(cache),
                Err(error) if error.is_stale() => {
                    self.check_fence().await?;
                    staged.undo(cache);
                    ahead.forget(&events[begun..outcomes.len()]);
                    outcomes.truncate(begun);
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
    ) -> Result<Option<Result<Resolved, Rejection>>, IngestError> {
        let mut blocked = Vec::new();
        let mut candidates = Vec::with_capacity(event.identifiers.len());
        for (place, identifier) in event.identifiers.iter().enumerate() {
            let candidate = match ahead.claim(at, place) {
                Some(profile) => Some(Candidate { identifier: identifier.clone(), claimed_by: Some(profile) }),
                None => self.candidate(identifier, cache, &mut ahead.unclaimed).await?,
            };
            match candidate {
                Some(candidate) => candidates.push(candidate),
                None => blocked.push(identifier.clone().into_owned()),
            }
        }
        let alias = match &event.alias {
            Some(identifier) => {
                let alias = self.candidate(identifier, cache, &mut ahead.unclaimed).await?;
                blocked.extend(alias.is_none().then(|| identifier.clone().into_owned()));
                alias
            }
            None => None,
        };
        let returned = self.may_have_come_before(event.offset);
        if !returned
            && alias.is_none()
            && let Some(profile) = self.settled(&candidates, cache)
        {
            return Ok(Some(Ok(Resolved::plain(profile, blocked))));
        }
        if candidates.is_empty() {
            let names = blocked.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let detail = format!("all identifiers are placeholders: {names}, by rules {}", self.rules.version());
            return Ok(Some(Err(Rejection::of("userId", Reason::BlockedIdentifiers, detail))));
        }

        let occasion =
            Occasion { partition: self.partition, offset: event.offset, at: event.received_at, source: &event.source };
        let named: Vec<Identifier<'_>> = candidates.iter().chain(&alias).map(|c| c.identifier.clone()).collect();
        let Some(decision) = self.decide(candidates, alias, &named, occasion, cache, staged).await? else {
            return Ok(None);
        };
        if !staged.has_room(&decision, cache) {
            return Ok(None);
        }
        let mut resolved = Resolved { blocked, ..staged.add(decision, self.partition, event.offset, cache) };
        if returned {
            self.recall(&named, event.offset, cache, &ahead.earlier, &mut resolved);
        }
        Ok(Some(Ok(resolved)))
    }

    /// `None`: State tells of a set that is staged; commit that first.
    async fn decide(
        &self,
        candidates: Vec<Candidate<'_>>,
        alias: Option<Candidate<'_>>,
        named: &[Identifier<'_>],
        occasion: Occasion<'_>,
        cache: &mut IdentityCache,
        staged: &Staged,
    ) -> Result<Option<Decision>, IngestError> {
        let claimants: Vec<ProfileId> = candidates.iter().chain(&alias).filter_map(|c| c.claimed_by).collect();
        let is_unknown = |profile: &ProfileId| cache.set_of(*profile).is_none();
        let mut unread: Vec<ProfileId> = claimants.iter().copied().filter(is_unknown).collect();
        loop {
            if !self.load_sets(&unread, named, cache, staged).await? {
                return Ok(None);
            }
            let Some(decision) = decide(candidates.clone(), alias.clone(), cache, self.rules, occasion) else {
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

    async fn check_fence(&self) -> Result<(), IngestError> {
        let current = checkpoint::load_versioned(self.state, self.partition).await?.and_then(|(version, _)| version);
        if current == Some(self.fence) { Ok(()) } else { Err(IngestError::Fenced(self.partition.clone())) }
    }

    /// `None`: the value is blocked.
    async fn candidate<'a>(
        &self,
        identifier: &Identifier<'a>,
        cache: &mut IdentityCache,
        unclaimed: &mut HashSet<Identifier<'static>>,
    ) -> Result<Option<Candidate<'a>>, IngestError> {
        let identifier = identifier.clone();
        if let Some(profile) = cache.claimed_by(&identifier) {
            return Ok(Some(Candidate { identifier, claimed_by: Some(profile) }));
        }
        if self.rules.is_blocked(&identifier) {
            return Ok(None);
        }
        let known: &HashSet<Identifier<'a>> = unclaimed;
        let claimed_by = if known.contains(&identifier) {
            None
        } else {
            let item = self.state.get(&[claim_key(&identifier)]).await?;
            learn_claims(std::slice::from_ref(&identifier), item, cache, unclaimed)?;
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
        let same = |other: ProfileId| {
            other == profile || cache.root_of(other).is_some_and(|root| cache.root_of(profile) == Some(root))
        };
        candidates.iter().all(|c| c.claimed_by.is_some_and(same)).then_some(profile)
    }

    fn may_have_come_before(&self, offset: Offset) -> bool {
        self.reach.is_some_and(|reach| offset <= reach)
    }

    /// What an earlier delivery of this very event claimed and joined belongs to its outcome.
    fn recall(
        &self,
        named: &[Identifier<'_>],
        offset: Offset,
        cache: &IdentityCache,
        earlier: &Earlier,
        resolved: &mut Resolved,
    ) {
        for identifier in named {
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

    /// Reads what the events name and the cache lacks.
    async fn read_ahead(&self, events: &[Valid<'_>], cache: &mut IdentityCache) -> Result<Ahead, IngestError> {
        let returned = events.iter().filter(|valid| self.may_have_come_before(valid.event.offset));
        let earlier = match self.reach {
            Some(_) => Earlier::read(self.state, self.partition, returned, cache).await?,
            None => Earlier::default(),
        };
        let mut claims = Vec::with_capacity(events.len() * 3);
        let mut starts = Vec::with_capacity(events.len());
        let mut wanted: HashSet<Identifier<'_>> = HashSet::new();
        for Valid { event, .. } in events {
            starts.push(claims.len());
            for identifier in event.named() {
                let claim = cache.claimed_by(identifier);
                if claim.is_none() && !wanted.contains(identifier) {
                    wanted.insert(identifier.clone());
                }
                claims.push(claim);
            }
        }
        let wanted: Vec<Identifier<'_>> = wanted.into_iter().filter(|id| !self.rules.is_blocked(id)).collect();
        let mut unclaimed = HashSet::with_capacity(wanted.len());
        for some in wanted.chunks(READ_AHEAD) {
            let keys: Vec<_> = some.iter().map(claim_key).collect();
            // Whoever claims what was claimed a moment ago comes too late, and looks again.
            learn_claims(some, self.state.peek(&keys).await?, cache, &mut unclaimed)?;
        }
        Ok(Ahead { claims, starts, unclaimed, earlier })
    }

    /// Reads the sets of `profiles`. False: a set that State told of is staged, so what State says of it is not what the cache
    /// shows; commit first.
    async fn load_sets(
        &self,
        profiles: &[ProfileId],
        named: &[Identifier<'_>],
        cache: &mut IdentityCache,
        staged: &Staged,
    ) -> Result<bool, IngestError> {
        for profile in profiles {
            let (stands, set) = load(self.state, *profile, named).await?;
            if staged.has_set(set.root()) {
                return Ok(false);
            }
            cache.forget_set(*profile, &[]);
            cache.know(stands, set);
        }
        Ok(true)
    }
}

fn learn_claims(
    identifiers: &[Identifier<'_>],
    items: Vec<Option<Item>>,
    cache: &mut IdentityCache,
    unclaimed: &mut HashSet<Identifier<'static>>,
) -> Result<(), IngestError> {
    for (identifier, item) in identifiers.iter().zip(items) {
        let identifier = identifier.clone().into_owned();
        match item {
            Some(item) => cache.claim(identifier, Claim::decode(item.body)?.profile),
            None => drop(unclaimed.insert(identifier)),
        }
    }
    Ok(())
}
