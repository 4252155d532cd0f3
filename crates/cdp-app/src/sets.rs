//! Identity sets, read from wherever they stand when it is not in their only profile's item.

use std::collections::{HashMap, HashSet};

use cdp_event::Identifier;
use cdp_identity::{BadItem, Claim, IdentitySet, ProfileId, SetItem};
use cdp_ports::{PortError, State, Version};

use crate::keys::{claim_key, set_key};

/// Keys of one read.
pub(crate) const READ_AHEAD: usize = 1000;

#[derive(Debug, thiserror::Error)]
pub(crate) enum SetError {
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Stored(#[from] BadItem),
}

/// For each of `roots`, the set that stands there or that the one there was merged into, and the version of its item.
pub(crate) async fn sets_at(state: &impl State, roots: &[ProfileId]) -> Result<Vec<(Version, IdentitySet)>, SetError> {
    let mut sets: Vec<Option<(Version, IdentitySet)>> = vec![None; roots.len()];
    let mut wanted: Vec<(usize, ProfileId)> = roots.iter().copied().enumerate().collect();
    while !wanted.is_empty() {
        let mut merged = Vec::new();
        for some in wanted.chunks(READ_AHEAD) {
            let keys: Vec<_> = some.iter().map(|(_, root)| set_key(*root)).collect();
            for ((place, at), item) in some.iter().zip(state.get(&keys).await?) {
                let item = item.ok_or_else(|| BadItem::new("identity set", format!("there is none at {at}")))?;
                match SetItem::decode(item.body)? {
                    SetItem::Root(set) => sets[*place] = Some((item.version, set)),
                    // A root is always smaller than what it absorbed, so this ends.
                    SetItem::MergedInto(root) if root < *at => merged.push((*place, root)),
                    SetItem::MergedInto(root) => {
                        let why = format!("{at} was merged into {root}, which is not older");
                        return Err(BadItem::new("identity set", why).into());
                    }
                }
            }
        }
        wanted = merged;
    }
    Ok(sets.into_iter().flatten().collect())
}

/// The sets of profiles that have no item yet: each of their claims tells it. `named`: identifiers that they claimed, among others.
pub(crate) async fn founded<'n, 'a: 'n>(
    state: &impl State,
    profiles: &HashSet<ProfileId>,
    named: impl Iterator<Item = &'n Identifier<'a>>,
) -> Result<HashMap<ProfileId, IdentitySet>, SetError> {
    let mut sets = HashMap::with_capacity(profiles.len());
    if profiles.is_empty() {
        return Ok(sets);
    }
    let named: HashSet<&Identifier<'_>> = named.collect();
    let keys: Vec<_> = named.into_iter().map(claim_key).collect();
    for some in keys.chunks(READ_AHEAD) {
        for item in state.get(some).await?.into_iter().flatten() {
            let Claim { profile, founded, .. } = Claim::decode(item.body)?;
            if let Some(founded) = founded.filter(|_| profiles.contains(&profile)) {
                sets.insert(profile, founded.read(profile)?);
            }
        }
    }
    match profiles.iter().find(|profile| !sets.contains_key(*profile)) {
        Some(lost) => Err(BadItem::new("profile", format!("{lost} has none, and its claims tell of no set")).into()),
        None => Ok(sets),
    }
}
