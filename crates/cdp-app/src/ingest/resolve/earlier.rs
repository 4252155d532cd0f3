//! What an earlier delivery of some events has decided of them, read of all at once: when a batch broke off, thousands ask.

use cdp_event::{Identifier, Offset, PartitionId};
use cdp_identity::{Claim, ProfileId, Rules};
use cdp_ports::State;
use hashbrown::{HashMap, HashSet};

use super::IdentityCache;
use crate::ingest::{IngestError, Valid};
use crate::keys::claim_key;
use crate::sets::READ_AHEAD;

/// Claims that events of one partition have made.
#[derive(Default)]
pub(super) struct Earlier {
    claims: HashMap<Identifier<'static>, (Offset, ProfileId)>,
}

impl Earlier {
    /// Of those of `events` that may have been resolved before. The cache learns the claims.
    pub async fn read<'a, 'e: 'a>(
        state: &impl State,
        partition: &PartitionId,
        rules: &Rules,
        events: impl Iterator<Item = &'a Valid<'e>>,
        cache: &mut IdentityCache,
    ) -> Result<Self, IngestError> {
        let named: HashSet<&Identifier<'_>> = events.flat_map(|valid| valid.event.named()).collect();
        let named: Vec<&Identifier<'_>> = named.into_iter().collect();
        let mut claims = HashMap::new();
        for some in named.chunks(READ_AHEAD) {
            let keys: Vec<_> = some.iter().map(|identifier| claim_key(identifier)).collect();
            for (identifier, item) in some.iter().zip(state.get(&keys).await?) {
                let Some(item) = item else { continue };
                let claim = Claim::decode(item.body)?;
                let identifier = (*identifier).clone().into_owned();
                // It may have been claimed before it was blocked.
                if !rules.is_blocked(&identifier) {
                    cache.claim(identifier.clone(), claim.profile);
                }
                if claim.partition == *partition {
                    claims.insert(identifier, (claim.offset, claim.profile));
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
