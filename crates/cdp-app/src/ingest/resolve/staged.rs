//! What is to be committed next.

use cdp_event::{Identifier, Offset, PartitionId};
use cdp_identity::{Claim, Decision, IdentitySet, ProfileId, SetItem};
use cdp_ports::{Condition, MAX_TRANSACTION_BYTES, MAX_TRANSACTION_ITEMS, Transaction, Version, Write};
use hashbrown::HashMap;

use super::Resolved;
use super::cache::IdentityCache;
use crate::keys::{claim_key, set_key};

/// Claims are small, but there may be a hundred.
const MAX_BYTES_OF_SETS: usize = MAX_TRANSACTION_BYTES / 2;

/// Writes of a run of events, not committed yet. The cache already shows them.
#[derive(Default)]
pub(super) struct Staged {
    claims: Vec<(Identifier<'static>, Claim)>,
    /// For each root that changed: the version in State, and what is to stand there.
    sets: HashMap<ProfileId, (Option<Version>, SetItem)>,
    /// Of all sets that were ever put here: no less than what is to be committed.
    bytes: usize,
}

impl Staged {
    /// The transaction's items, without the fence.
    pub fn items(&self) -> usize {
        self.claims.len() + self.sets.len()
    }

    /// Whether the transaction has room for the decision, and for the fence.
    pub fn has_room(&self, decision: &Decision) -> bool {
        let items = self.items() + decision.claims.len() + decision.absorbed.len() + 2;
        let bytes = decision.set.as_ref().map_or(0, IdentitySet::bytes);
        items <= MAX_TRANSACTION_ITEMS && (self.items() == 0 || self.bytes + bytes <= MAX_BYTES_OF_SETS)
    }

    pub fn claimed(&self) -> impl Iterator<Item = &Identifier<'static>> {
        self.claims.iter().map(|(identifier, _)| identifier)
    }

    pub fn has_set(&self, root: ProfileId) -> bool {
        self.sets.contains_key(&root)
    }

    /// Adds what was decided of the event at `offset` of `partition`.
    pub fn add(
        &mut self,
        decision: Decision,
        partition: &PartitionId,
        offset: Offset,
        cache: &mut IdentityCache,
    ) -> Resolved {
        for (identifier, profile) in &decision.claims {
            cache.claim(identifier.clone(), *profile);
            let claim = Claim { profile: *profile, partition: partition.clone(), offset };
            self.claims.push((identifier.clone(), claim));
        }
        if let Some(set) = decision.set {
            self.bytes += set.bytes();
            let root = set.root();
            for absorbed in &decision.absorbed {
                if let Some((version, _)) = cache.take_set(*absorbed) {
                    self.put_set(*absorbed, version, SetItem::MergedInto(root));
                }
            }
            let version = cache.version_of(root);
            self.put_set(root, version, SetItem::Root(set.clone()));
            cache.know(version, set);
        }
        Resolved {
            profile: decision.profile,
            claims: decision.claims,
            edges: decision.edges,
            demotions: decision.demotions,
            blocked: vec![],
        }
    }

    /// `version`: where State has the item, unless it is staged already.
    fn put_set(&mut self, root: ProfileId, version: Option<Version>, item: SetItem) {
        let base = self.sets.get(&root).map_or(version, |(base, _)| *base);
        self.sets.insert(root, (base, item));
    }

    pub fn transaction(&self, fence: Write) -> Transaction {
        let claims = self.claims.iter().map(|(identifier, claim)| Write::Put {
            key: claim_key(identifier),
            body: claim.encode(),
            condition: Condition::Absent,
        });
        let sets = self.sets.iter().map(|(root, (version, item))| Write::Put {
            key: set_key(*root),
            body: item.encode(),
            condition: version.map_or(Condition::Absent, Condition::At),
        });
        Transaction { writes: claims.chain(sets).chain([fence]).collect(), durable: false }
    }

    /// It was committed. What was absorbed is not in the cache any more.
    pub fn settle(self, cache: &mut IdentityCache) {
        for (root, (base, _)) in self.sets {
            cache.stands_at(root, base.map_or(1, |base| base + 1));
        }
    }

    /// Somebody else came first: what was staged is not so, and what had been read is not the newest.
    pub fn undo(&self, cache: &mut IdentityCache) {
        for identifier in self.claimed() {
            cache.forget_claim(identifier);
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
