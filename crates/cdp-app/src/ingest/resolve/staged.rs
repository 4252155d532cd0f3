//! What is to be committed next.

use bytes::Bytes;
use cdp_event::{Identifier, Offset, PartitionId};
use cdp_identity::{BadItem, Belonging, Claim, Decision, Founded, IdentitySet, ProfileId, SetItem};
use cdp_ports::{Condition, MAX_TRANSACTION_BYTES, Transaction, Version, Write};
use hashbrown::HashMap;

use super::Resolved;
use super::cache::{IdentityCache, Single, Stands};
use crate::keys::{claim_key, profile_key, set_key};
use crate::profile_item::{Unopened, fit_together};

/// Of sets and profiles. Claims are small, but there may be a hundred.
const MAX_STAGED_BYTES: usize = MAX_TRANSACTION_BYTES / 2;
/// Each claim repeats the set that it founds, and is still a write of one unit. A larger set is written once, with its profile.
const MAX_FOUNDED_BYTES: usize = 600;

/// Writes of a run of events, not committed yet. The cache already shows them.
#[derive(Default)]
pub(super) struct Staged {
    claims: Vec<(Identifier<'static>, Claim)>,
    /// Sets of new profiles, which their claims tell until an event is applied to the profile: that write is needed anyway.
    founded: HashMap<ProfileId, Founded>,
    /// Profiles whose belonging changed: the version in State, and what is to stand there.
    profiles: HashMap<ProfileId, (Option<Version>, Unopened)>,
    /// For each root that changed and has an item of its own: the same.
    sets: HashMap<ProfileId, (Option<Version>, SetItem)>,
    /// Of each set and its profile: no less than what is to be committed.
    bytes: HashMap<ProfileId, usize>,
}

impl Staged {
    /// The transaction's items, without the fence.
    pub fn items(&self) -> usize {
        self.claims.len() + self.profiles.len() + self.sets.len()
    }

    /// Whether a transaction of so many items has room for the decision: its claims, an item for whatever is absorbed, the root's
    /// two, and the fence.
    pub fn has_room(&self, decision: &Decision, cache: &IdentityCache, most_items: usize) -> bool {
        let items = self.items() + decision.claims.len() + decision.absorbed.len() + 3;
        let bytes = bytes_of(decision, cache).map(|(_, bytes)| bytes).chain(self.bytes.values().copied());
        self.items() == 0 || (items <= most_items && bytes.sum::<usize>() <= MAX_STAGED_BYTES)
    }

    /// Whether what State says of this root's set is not what the cache shows.
    pub fn has_set(&self, root: ProfileId) -> bool {
        self.sets.contains_key(&root) || self.profiles.contains_key(&root) || self.founded.contains_key(&root)
    }

    /// Adds what was decided of the event at `offset` of `partition`.
    pub fn add(
        &mut self,
        decision: Decision,
        partition: &PartitionId,
        offset: Offset,
        cache: &mut IdentityCache,
    ) -> Result<Resolved, BadItem> {
        self.bytes.extend(bytes_of(&decision, cache));
        for (identifier, profile) in &decision.claims {
            cache.claim(identifier.clone(), *profile);
            let claim = Claim { profile: *profile, partition: partition.clone(), offset, founded: None };
            self.claims.push((identifier.clone(), claim));
        }
        if let Some(set) = decision.set {
            for absorbed in &decision.absorbed {
                let stood = cache.take_stands(*absorbed)?.ok_or_else(|| BadItem::new("identity set", "it is new"))?;
                self.absorb(*absorbed, stood, set.root());
            }
            let stood = cache.take_stands(set.root())?;
            let stands = self.change(&set, stood);
            cache.know(stands, set);
        }
        Ok(Resolved {
            profile: decision.profile,
            claims: decision.claims,
            edges: decision.edges,
            demotions: decision.demotions,
            blocked: vec![],
        })
    }

    /// The set of `root` is part of that of `by` now.
    fn absorb(&mut self, root: ProfileId, stood: Stands, by: ProfileId) {
        match stood {
            Stands::WithProfile(single) => self.put_profile(root, single, Belonging::To(by)),
            Stands::Apart(version) => self.put_set(root, version, SetItem::MergedInto(by)),
        }
    }

    /// Puts the set where it stood, unless it is too large for that now, or of several profiles.
    fn change(&mut self, set: &IdentitySet, stood: Option<Stands>) -> Stands {
        let root = set.root();
        let is_founded_here = stood.is_none() || self.founded.contains_key(&root);
        let single = match stood {
            Some(Stands::Apart(version)) => {
                self.put_set(root, version, SetItem::Root(set.clone()));
                return Stands::Apart(version);
            }
            Some(Stands::WithProfile(single)) => single,
            None => Single::new(root),
        };
        if set.members().len() > 1 || !fit_together(&single.member, set) {
            self.put_profile(root, single, Belonging::To(root));
            self.put_set(root, None, SetItem::Root(set.clone()));
            return Stands::Apart(None);
        }
        if is_founded_here && set.bytes() <= MAX_FOUNDED_BYTES {
            self.founded.insert(root, Founded::with(set));
        } else {
            self.put_profile(root, single.clone(), Belonging::Alone(set.clone()));
        }
        Stands::WithProfile(single)
    }

    /// The version is where State has the item, unless it is staged already.
    fn put_profile(&mut self, profile: ProfileId, Single { version, member }: Single, belonging: Belonging) {
        self.founded.remove(&profile);
        let base = self.profiles.get(&profile).map_or(version, |(base, _)| *base);
        self.profiles.insert(profile, (base, Unopened { belonging, member }));
    }

    fn put_set(&mut self, root: ProfileId, version: Option<Version>, item: SetItem) {
        let base = self.sets.get(&root).map_or(version, |(base, _)| *base);
        self.sets.insert(root, (base, item));
    }

    pub fn transaction(&self, fence: Write) -> Transaction {
        let put = |key, body: Bytes, base: Option<Version>| Write::Put {
            key,
            body,
            condition: base.map_or(Condition::Absent, Condition::At),
        };
        let claims = self.claims.iter().map(|(identifier, claim)| {
            let founded = self.founded.get(&claim.profile).cloned();
            put(claim_key(identifier), Claim { founded, ..claim.clone() }.encode(), None)
        });
        let profiles =
            self.profiles.iter().map(|(profile, (base, item))| put(profile_key(*profile), item.encode(), *base));
        let sets = self.sets.iter().map(|(root, (base, item))| put(set_key(*root), item.encode(), *base));
        Transaction { writes: claims.chain(profiles).chain(sets).chain([fence]).collect(), durable: false }
    }

    /// It was committed. What was absorbed is not in the cache any more.
    pub fn settle(self, cache: &mut IdentityCache) {
        let after = |base: Option<Version>| base.map_or(1, |base| base + 1);
        for (profile, (base, item)) in self.profiles {
            if let Belonging::Alone(_) = item.belonging {
                cache.stands_at(profile, after(base));
            }
        }
        for (root, (base, _)) in self.sets {
            cache.stands_at(root, after(base));
        }
    }

    /// Somebody else came first: what was staged is not so, and what had been read is not the newest.
    pub fn undo(&self, cache: &mut IdentityCache) {
        for (identifier, _) in &self.claims {
            cache.forget_claim(identifier);
        }
        for profile in self.founded.keys().chain(self.profiles.keys()) {
            cache.forget_set(*profile, &[]);
        }
        for (root, (_, item)) in &self.sets {
            let members = match item {
                SetItem::Root(set) => set.members(),
                SetItem::MergedInto(_) => &[],
            };
            cache.forget_set(*root, members);
        }
    }
}

/// No less than what the decision puts under each root, beside its claims.
fn bytes_of(decision: &Decision, cache: &IdentityCache) -> impl Iterator<Item = (ProfileId, usize)> {
    let member = |root| cache.single(root).map_or(0, |(single, _)| single.member.len());
    let absorbed = decision.absorbed.iter().map(move |root| (*root, member(*root)));
    absorbed.chain(decision.set.iter().map(move |set| (set.root(), set.bytes() + member(set.root()))))
}
