//! What an earlier delivery of some events has decided of them, read of all at once: when a batch broke off, thousands ask.

use cdp_event::{Identifier, Offset, PartitionId};
use cdp_identity::{Claim, IdentitySet, ProfileId};
use cdp_ports::State;
use hashbrown::{HashMap, HashSet};

use super::cache::{Single, Stands};
use super::load::with_profile;
use super::{IdentityCache, READ_AHEAD};
use crate::ingest::{IngestError, Valid};
use crate::keys::{claim_key, profile_key};

/// Claims that events of one partition have made.
#[derive(Default)]
pub(super) struct Earlier {
    claims: HashMap<Identifier<'static>, (Offset, ProfileId)>,
}

impl Earlier {
    /// Of those of `events` that may have been resolved before. The cache learns the claims, and the sets of whoever they name.
    pub async fn read<'a, 'e: 'a>(
        state: &impl State,
        partition: &PartitionId,
        events: impl Iterator<Item = &'a Valid<'e>>,
        cache: &mut IdentityCache,
    ) -> Result<Self, IngestError> {
        let named: HashSet<&Identifier<'_>> = events.flat_map(|valid| valid.event.named()).collect();
        let named: Vec<&Identifier<'_>> = named.into_iter().collect();
        let mut claims = HashMap::new();
        let mut profiles: HashMap<ProfileId, Option<IdentitySet>> = HashMap::new();
        for some in named.chunks(READ_AHEAD) {
            let keys: Vec<_> = some.iter().map(|identifier| claim_key(identifier)).collect();
            for (identifier, item) in some.iter().zip(state.get(&keys).await?) {
                let Some(item) = item else { continue };
                let claim = Claim::decode(item.body)?;
                let identifier = (*identifier).clone().into_owned();
                profiles.insert(claim.profile, claim.founded);
                cache.claim(identifier.clone(), claim.profile);
                if claim.partition == *partition {
                    claims.insert(identifier, (claim.offset, claim.profile));
                }
            }
        }
        profiles.retain(|profile, _| cache.root_of(*profile).is_none());
        let unknown: Vec<ProfileId> = profiles.keys().copied().collect();
        for some in unknown.chunks(READ_AHEAD) {
            let keys: Vec<_> = some.iter().map(|profile| profile_key(*profile)).collect();
            for (profile, item) in some.iter().zip(state.get(&keys).await?) {
                let founded = profiles.remove(profile).flatten();
                let single = match item {
                    Some(item) => with_profile(item)?.ok(),
                    None => founded.map(|set| (Single::new(*profile), set)),
                };
                // One that was merged is looked for when it is asked for.
                if let Some((single, set)) = single {
                    cache.know(Stands::WithProfile(Box::new(single)), set);
                }
            }
        }
        Ok(Self { claims })
    }

    /// The profile that the event at `offset` has claimed the identifier for, if it did.
    pub fn claimed(&self, identifier: &Identifier<'_>, offset: Offset) -> Option<ProfileId> {
        let claims: &HashMap<Identifier<'_>, (Offset, ProfileId)> = &self.claims;
        claims.get(identifier).filter(|(at, _)| *at == offset).map(|(_, profile)| *profile)
    }
}
