//! Sets, read from wherever they stand.

use cdp_event::Identifier;
use cdp_identity::{BadItem, Belonging, Claim, IdentitySet, ProfileId};
use cdp_ports::{Item, State};

use super::cache::{Single, Stands};
use crate::ingest::IngestError;
use crate::keys::{claim_key, profile_key};
use crate::profile_item::{ProfileItem, load_set};

/// The set that `profile` belongs to. `named`: what an event names, and `profile` has claimed some of.
pub(super) async fn load(
    state: &impl State,
    profile: ProfileId,
    named: &[Identifier<'_>],
) -> Result<(Stands, IdentitySet), IngestError> {
    match state.get(&[profile_key(profile)]).await?.pop().flatten() {
        Some(item) => match with_profile(item)? {
            Ok((single, set)) => Ok((Stands::WithProfile(Box::new(single)), set)),
            Err(root) => {
                let (version, set) = load_set::<IngestError>(state, root).await?;
                Ok((Stands::Apart(Some(version)), set))
            }
        },
        None => {
            let set = founded(state, profile, named).await?;
            Ok((Stands::WithProfile(Box::new(Single::new(profile))), set))
        }
    }
}

/// A profile's item as one that is a person by itself, or the root that it belongs to.
pub(super) fn with_profile(item: Item) -> Result<Result<(Single, IdentitySet), ProfileId>, BadItem> {
    let bytes = item.body.len();
    let ProfileItem { belonging, member } = ProfileItem::decode(item.body)?;
    Ok(match belonging {
        Belonging::Alone(set) => Ok((Single { version: Some(item.version), member, bytes }, set)),
        Belonging::To(root) => Err(root),
    })
}

/// The set of a profile that has no item yet: each of its claims tells it.
pub(in crate::ingest) async fn founded(
    state: &impl State,
    profile: ProfileId,
    named: &[Identifier<'_>],
) -> Result<IdentitySet, IngestError> {
    let keys: Vec<_> = named.iter().map(claim_key).collect();
    for item in state.get(&keys).await?.into_iter().flatten() {
        let claim = Claim::decode(item.body)?;
        if let Some(set) = claim.founded.filter(|_| claim.profile == profile) {
            return Ok(set);
        }
    }
    Err(BadItem::new("profile", format!("{profile} has none, and its claims tell of no set")).into())
}
