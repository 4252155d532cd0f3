//! The sets of profiles that the cache does not know, many at a time.

use std::collections::HashSet;

use cdp_event::Identifier;
use cdp_identity::{Belonging, IdentitySet, ProfileId};
use cdp_ports::State;

use super::cache::{IdentityCache, Single, Stands};
use crate::ingest::IngestError;
use crate::keys::profile_key;
use crate::profile_item::Unopened;
use crate::sets::{READ_AHEAD, founded, sets_at};

/// The sets that `profiles` belong to, each once, and where they stand. `named`: what events name, and they have claimed some of.
pub(super) async fn load<'n, 'a: 'n>(
    state: &impl State,
    profiles: &[ProfileId],
    named: impl Iterator<Item = &'n Identifier<'a>>,
    cache: &IdentityCache,
) -> Result<Vec<(Stands, IdentitySet)>, IngestError> {
    let mut loaded = Vec::with_capacity(profiles.len());
    let (mut roots, mut new) = (HashSet::new(), Vec::new());
    for some in profiles.chunks(READ_AHEAD) {
        let keys: Vec<_> = some.iter().map(|profile| profile_key(*profile)).collect();
        for (profile, item) in some.iter().zip(state.get(&keys).await?) {
            let Some(item) = item else {
                new.push(*profile);
                continue;
            };
            let Unopened { belonging, member } = Unopened::decode(item.body, *profile)?;
            match belonging {
                Belonging::Alone(set) => {
                    loaded.push((Stands::WithProfile(Single { version: Some(item.version), member }), set));
                }
                Belonging::To(root) => {
                    roots.insert(root);
                }
            }
        }
    }
    let roots: Vec<ProfileId> = roots.into_iter().collect();
    let apart = sets_at(state, &roots).await?.into_iter();
    loaded.extend(apart.map(|(version, set)| (Stands::Apart(Some(version)), set)));
    let theirs = named.filter(|identifier| cache.claimed_by(identifier).is_some_and(|profile| new.contains(&profile)));
    let founded = founded(state, &new, theirs).await?.into_iter();
    loaded.extend(founded.map(|(profile, set)| (Stands::WithProfile(Single::new(profile)), set)));
    Ok(loaded)
}
