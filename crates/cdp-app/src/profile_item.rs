//! A profile as State keeps it: whose it is, and what was applied to it. That is one item, because most people are one
//! profile: what tells of such a person is read at once, and written at once.

use bytes::Bytes;
use cdp_identity::{BadItem, Belonging, IdentitySet, ProfileId, SetItem};
use cdp_ports::{Condition, Version, Write};
use cdp_profile::{Member, Outline};
use prost::Message;

use crate::keys::{profile_key, set_key};

/// A profile that is larger leaves its set to an item of its own. A merge writes both profiles: so it stays a transaction that
/// any store takes.
const MAX_MEMBER_BYTES: usize = 16 << 10;
/// A set that is larger stands apart: with the profile, each write of that would cost as much more.
const MAX_SET_BYTES: usize = 1 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileItem {
    pub belonging: Belonging,
    pub member: Member,
}

/// Its member is not read: whoever changes only whose it is copies that.
#[derive(Clone, Debug)]
pub(crate) struct Unopened {
    pub belonging: Belonging,
    pub member: Bytes,
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
        Unopened { belonging: self.belonging, member: self.member.encode() }.encode()
    }

    /// `profile`: as its key says.
    pub fn decode(body: Bytes, profile: ProfileId) -> Result<Self, BadItem> {
        let Unopened { belonging, member } = Unopened::decode(body, profile)?;
        Ok(Self { belonging, member: Member::decode(member, profile)? })
    }

    /// What puts it in the place of what was read at `read_at`, if there was anything.
    pub(crate) fn writes(self, read_at: Option<Version>) -> Vec<Write> {
        let (id, condition) = (self.member.id, read_at.map_or(Condition::Absent, Condition::At));
        let (belonging, member) = (self.belonging, self.member.encode());
        let put = |belonging, member| Write::Put {
            key: profile_key(id),
            body: Unopened { belonging, member }.encode(),
            condition,
        };
        match belonging {
            Belonging::Alone(set) if !fit_together(&member, &set) => {
                let body = SetItem::Root(set).encode();
                let set = Write::Put { key: set_key(id), body, condition: Condition::Absent };
                vec![put(Belonging::To(id), member), set]
            }
            Belonging::Alone(_) | Belonging::To(_) => vec![put(belonging, member)],
        }
    }
}

impl Unopened {
    pub fn encode(&self) -> Bytes {
        let stored = StoredProfile { belonging: self.belonging.encode(), member: self.member.clone() };
        stored.encode_to_vec().into()
    }

    pub fn decode(body: Bytes, profile: ProfileId) -> Result<Self, BadItem> {
        let stored = StoredProfile::decode(body).map_err(|e| BadItem::new("profile", e))?;
        Ok(Self { belonging: Belonging::decode(stored.belonging, profile)?, member: stored.member })
    }
}

/// Its member, as far as the tables tell of it.
pub(crate) fn outline(body: Bytes, profile: ProfileId) -> Result<Outline, BadItem> {
    let stored = StoredProfile::decode(body).map_err(|e| BadItem::new("profile", e))?;
    Outline::decode(stored.member, profile)
}

/// Whether a profile's set stands in its item.
pub(crate) fn fit_together(member: &[u8], set: &IdentitySet) -> bool {
    member.len() <= MAX_MEMBER_BYTES && set.bytes() <= MAX_SET_BYTES
}
