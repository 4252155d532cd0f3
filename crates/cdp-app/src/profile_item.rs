//! A profile as State keeps it: whose it is, and what was applied to it. That is one item, because most people are one
//! profile: what tells of such a person is read at once, and written at once.

use bytes::Bytes;
use cdp_identity::{BadItem, Belonging, IdentitySet, ProfileId, SetItem};
use cdp_ports::{Condition, State, Version, Write};
use cdp_profile::{Member, Outline};
use prost::Message;

use crate::keys::{profile_key, set_key};

/// A profile that is larger leaves its set to an item of its own. A merge writes both profiles: so it stays a transaction that
/// any store takes.
pub(crate) const MAX_WITH_SET: usize = 16 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileItem {
    pub belonging: Belonging,
    pub member: Member,
}

#[derive(Clone, PartialEq, Message)]
struct StoredProfile {
    #[prost(bytes = "bytes", tag = "1")]
    belonging: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    member: Bytes,
}

impl ProfileItem {
    pub fn encode(self) -> Bytes {
        StoredProfile { belonging: self.belonging.encode(), member: self.member.encode() }.encode_to_vec().into()
    }

    pub fn decode(body: Bytes) -> Result<Self, BadItem> {
        let stored = StoredProfile::decode(body).map_err(|e| BadItem::new("profile", e))?;
        let member = Member::decode(stored.member)?;
        Ok(Self { belonging: Belonging::decode(stored.belonging, member.id)?, member })
    }

    /// Only what the tables tell of its member.
    pub(crate) fn decode_outline(body: Bytes) -> Result<Outline, BadItem> {
        let stored = StoredProfile::decode(body).map_err(|e| BadItem::new("profile", e))?;
        Outline::decode(stored.member)
    }

    /// What puts it in the place of what was read at `read_at`, if there was anything.
    pub(crate) fn writes(self, read_at: Option<Version>) -> Vec<Write> {
        let (key, condition) = (profile_key(self.member.id), read_at.map_or(Condition::Absent, Condition::At));
        let Self { belonging, member } = self;
        let (id, member) = (member.id, member.encode());
        let put = |belonging: &Belonging| {
            let stored = StoredProfile { belonging: belonging.encode(), member: member.clone() };
            Write::Put { key: key.clone(), body: stored.encode_to_vec().into(), condition }
        };
        match belonging {
            Belonging::Alone(set) if member.len() > MAX_WITH_SET => {
                let body = SetItem::Root(set).encode();
                vec![put(&Belonging::To(id)), Write::Put { key: set_key(id), body, condition: Condition::Absent }]
            }
            Belonging::Alone(_) | Belonging::To(_) => vec![put(&belonging)],
        }
    }
}

/// The set that stands at `root`, or that the one there was merged into, and the version of its item.
pub(crate) async fn load_set<E>(state: &impl State, root: ProfileId) -> Result<(Version, IdentitySet), E>
where
    E: From<BadItem> + From<cdp_ports::PortError>,
{
    let mut at = root;
    loop {
        let found = state.get(&[set_key(at)]).await?.pop().flatten();
        let item = found.ok_or_else(|| BadItem::new("identity set", format!("there is none at {at}")))?;
        match SetItem::decode(item.body)? {
            SetItem::Root(set) => return Ok((item.version, set)),
            // A root is always smaller than what it absorbed, so this ends.
            SetItem::MergedInto(root) if root < at => at = root,
            SetItem::MergedInto(root) => {
                let why = format!("{at} was merged into {root}, which is not older");
                return Err(BadItem::new("identity set", why).into());
            }
        }
    }
}
