//! What State has of a batch's identifiers and of whoever claimed them, read many at a time.

use cdp_event::{Event, Identifier};
use cdp_identity::{Claim, Known, ProfileId};
use cdp_ports::{Item, State};
use hashbrown::HashSet;

use super::Resolver;
use super::cache::IdentityCache;
use super::earlier::Earlier;
use super::load::{Freshness, load};
use crate::ingest::{IngestError, Valid};
use crate::keys::claim_key;
use crate::sets::READ_AHEAD;

pub(super) struct Ahead {
    /// Who had claimed each identifier that the events name, in their order, where the cache knew. True for ever.
    claims: Vec<Option<ProfileId>>,
    /// Where each event's begin.
    starts: Vec<usize>,
    /// Those that nobody had claimed.
    pub unclaimed: HashSet<Identifier<'static>>,
    /// Of these, those that somebody may have claimed a moment before.
    pub doubtful: HashSet<Identifier<'static>>,
    /// Whether a decision has depended on such a one.
    pub had_doubts: bool,
    pub earlier: Earlier,
}

impl Ahead {
    pub fn claim(&self, event: usize, identifier: usize) -> Option<ProfileId> {
        let start = self.starts.get(event)?;
        self.claims.get(start + identifier).copied().flatten()
    }
}

impl<S: State> Resolver<'_, S> {
    pub(super) async fn read_ahead(
        &self,
        events: &[Valid<'_>],
        cache: &mut IdentityCache,
    ) -> Result<Ahead, IngestError> {
        let returned = events.iter().filter(|valid| self.may_have_come_before(valid.event.offset));
        let earlier = match self.reach {
            Some(_) => Earlier::read(self.state, self.partition, self.rules, returned, cache).await?,
            None => Earlier::default(),
        };
        let mut claims = Vec::with_capacity(events.len() * 3);
        let mut starts = Vec::with_capacity(events.len());
        let mut open = Vec::new();
        for Valid { event, .. } in events {
            let start = claims.len();
            starts.push(start);
            claims.extend(event.named().map(|identifier| cache.claimed_by(identifier)));
            let of_event = &claims[start..];
            let is_known = of_event.iter().all(Option::is_some);
            if !is_known
                || !cache.are_one(of_event.iter().copied().flatten())
                || self.may_have_come_before(event.offset)
            {
                open.push(event);
            }
        }
        let wanted = self.unknown(&open, cache);
        let (mut unclaimed, mut doubtful) = (HashSet::with_capacity(wanted.len()), HashSet::new());
        for some in wanted.chunks(READ_AHEAD) {
            let keys: Vec<_> = some.iter().map(claim_key).collect();
            learn(some, self.state.peek(&keys).await?, cache, &mut doubtful)?;
        }
        unclaimed.clone_from(&doubtful);
        self.read_sets(&open, &unclaimed, Freshness::AMomentAgo, cache).await?;
        Ok(Ahead { claims, starts, unclaimed, doubtful, had_doubts: false, earlier })
    }

    /// Somebody else came first, and what was known of these events may not be so any more.
    pub(super) async fn look_again(
        &self,
        events: &[Valid<'_>],
        cache: &mut IdentityCache,
        ahead: &mut Ahead,
    ) -> Result<(), IngestError> {
        let events: Vec<&Event<'_>> = events.iter().map(|valid| &valid.event).collect();
        for identifier in events.iter().flat_map(|event| event.named()) {
            let identifier = identifier.clone().into_owned();
            ahead.unclaimed.remove(&identifier);
            ahead.doubtful.remove(&identifier);
        }
        for some in self.unknown(&events, cache).chunks(READ_AHEAD) {
            self.read_claims(some, cache, ahead).await?;
        }
        self.read_sets(&events, &ahead.unclaimed, Freshness::Now, cache).await
    }

    /// As they stand now.
    pub(super) async fn read_claims(
        &self,
        identifiers: &[Identifier<'_>],
        cache: &mut IdentityCache,
        ahead: &mut Ahead,
    ) -> Result<(), IngestError> {
        let keys: Vec<_> = identifiers.iter().map(claim_key).collect();
        learn(identifiers, self.state.get(&keys).await?, cache, &mut ahead.unclaimed)
    }

    /// Identifiers whose claims the cache does not know.
    fn unknown<'e>(&self, events: &[&Event<'e>], cache: &IdentityCache) -> Vec<Identifier<'e>> {
        let named = events.iter().flat_map(|event| event.named());
        let unknown: HashSet<&Identifier<'e>> = named.filter(|id| cache.claimed_by(id).is_none()).collect();
        unknown.into_iter().filter(|id| !self.rules.is_blocked(id)).cloned().collect()
    }

    /// The sets that something has to be decided of, and those that will change.
    async fn read_sets(
        &self,
        events: &[&Event<'_>],
        unclaimed: &HashSet<Identifier<'static>>,
        freshness: Freshness,
        cache: &mut IdentityCache,
    ) -> Result<(), IngestError> {
        let mut wanted = HashSet::new();
        for event in events {
            // What is blocked was claimed by nobody, and is not new either.
            let claimants: Vec<ProfileId> = event.named().filter_map(|id| cache.claimed_by(id)).collect();
            let known: &HashSet<Identifier<'_>> = unclaimed;
            let has_new = event.named().any(|identifier| known.contains(identifier));
            if has_new {
                wanted.extend(claimants.into_iter().filter(|profile| !cache.is_read(*profile)));
            } else if !cache.are_one(claimants.iter().copied()) || self.may_have_come_before(event.offset) {
                wanted.extend(claimants.into_iter().filter(|profile| cache.set_of(*profile).is_none()));
            }
        }
        let wanted: Vec<ProfileId> = wanted.into_iter().collect();
        let named = events.iter().flat_map(|event| event.named());
        let loaded = load(self.state, &wanted, freshness, named, cache).await?;
        cache.learn(&wanted, loaded);
        Ok(())
    }
}

fn learn(
    identifiers: &[Identifier<'_>],
    items: Vec<Option<Item>>,
    cache: &mut IdentityCache,
    unclaimed: &mut HashSet<Identifier<'static>>,
) -> Result<(), IngestError> {
    for (identifier, item) in identifiers.iter().zip(items) {
        let identifier = identifier.clone().into_owned();
        if let Some(item) = item {
            cache.claim(identifier, Claim::decode(item.body)?.profile);
        } else {
            unclaimed.insert(identifier);
        }
    }
    Ok(())
}
