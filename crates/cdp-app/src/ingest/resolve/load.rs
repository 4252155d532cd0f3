//! The sets of profiles that the cache does not know, many at a time.

use std::collections::HashSet;

use cdp_event::Identifier;
use cdp_identity::{BadItem, Belonging, IdentitySet, ProfileId};
use cdp_ports::{Item, Key, PortResult, State};

use super::cache::{IdentityCache, Single, Stands};
use crate::ingest::IngestError;
use crate::keys::profile_key;
use crate::profile_item::Unopened;
use crate::sets::{READ_AHEAD, founded, sets_at};

/// How new what is read has to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    Now,
    /// As it may have stood a moment ago. Who changes it finds out.
    AMomentAgo,
}

/// The sets that `profiles` belong to, each once, and where they stand. `named`: what events name, and they have claimed some of.
pub(super) async fn load<'n, 'a: 'n>(
    state: &impl State,
    profiles: &[ProfileId],
    freshness: Freshness,
    named: impl Iterator<Item = &'n Identifier<'a>>,
    cache: &IdentityCache,
) -> Result<Vec<(Stands, IdentitySet)>, IngestError> {
    let mut loaded = Loaded::default();
    let mut missing = profiles.to_vec();
    if freshness == Freshness::AMomentAgo {
        missing = loaded.read(missing, async |keys| state.peek(&keys).await).await?;
    }
    let new = loaded.read(missing, async |keys| state.get(&keys).await).await?;
    let Loaded { mut sets, roots } = loaded;
    let roots: Vec<ProfileId> = roots.into_iter().collect();
    let apart = sets_at(state, &roots).await?.into_iter();
    sets.extend(apart.map(|(version, set)| (Stands::Apart(Some(version)), set)));
    let new: HashSet<ProfileId> = new.into_iter().collect();
    let theirs = named.filter(|identifier| cache.claimed_by(identifier).is_some_and(|profile| new.contains(&profile)));
    let founded = founded(state, &new, theirs).await?.into_iter();
    sets.extend(founded.map(|(profile, set)| (Stands::WithProfile(Single::new(profile)), set)));
    Ok(sets)
}

#[derive(Default)]
struct Loaded {
    sets: Vec<(Stands, IdentitySet)>,
    /// Of sets that stand apart.
    roots: HashSet<ProfileId>,
}

impl Loaded {
    /// Answers those that are not there.
    async fn read(
        &mut self,
        profiles: Vec<ProfileId>,
        items: impl AsyncFn(Vec<Key>) -> PortResult<Vec<Option<Item>>>,
    ) -> Result<Vec<ProfileId>, IngestError> {
        let mut missing = Vec::new();
        for some in profiles.chunks(READ_AHEAD) {
            let keys = some.iter().map(|profile| profile_key(*profile)).collect();
            for (profile, item) in some.iter().zip(items(keys).await?) {
                match item {
                    Some(item) => self.take(*profile, item)?,
                    None => missing.push(*profile),
                }
            }
        }
        Ok(missing)
    }

    fn take(&mut self, profile: ProfileId, item: Item) -> Result<(), BadItem> {
        let Unopened { belonging, member } = Unopened::decode(item.body, profile)?;
        match belonging {
            Belonging::Alone(set) => {
                self.sets.push((Stands::WithProfile(Single { version: Some(item.version), member }), set));
            }
            Belonging::To(root) => {
                self.roots.insert(root);
            }
        }
        Ok(())
    }
}
