//! Lookup: from a name to the person. Two reads of State where the person is one profile, four where it is several, and
//! one more for each merge between the set that the profile was part of and the one that this became part of.

use std::str::FromStr;

use cdp_event::{Identifier, Namespace, NotANamespace, NotAnIdentifier};
use cdp_identity::{BadItem, Belonging, Claim, IdentitySet, NotAProfileId, ProfileId};
use cdp_ports::{Item, Key, PortError, State, Version};
use cdp_profile::{Member, Person};

use crate::keys::{claim_key, profile_key};
use crate::profile_item::ProfileItem;
use crate::sets::{SetError, sets_at};

/// Who is meant: `NAMESPACE:VALUE`, or the id of any of the person's profiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileName<'a> {
    Identifier(Identifier<'a>),
    Profile(ProfileId),
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotAProfileName {
    #[error("it has no `:`; write NAMESPACE:VALUE, such as user_id:42, or a profile's id, such as prf_…")]
    NoNamespace,
    #[error(transparent)]
    Namespace(#[from] NotANamespace),
    #[error("its value can't be an identifier's: {0}")]
    Value(#[from] NotAnIdentifier),
    #[error(transparent)]
    Profile(#[from] NotAProfileId),
}

impl<'a> ProfileName<'a> {
    pub fn parse(text: &'a str) -> Result<Self, NotAProfileName> {
        match text.split_once(':') {
            Some((namespace, value)) => Ok(Self::Identifier(Identifier::new(Namespace::from_str(namespace)?, value)?)),
            None if text.starts_with("prf_") => Ok(Self::Profile(text.parse()?)),
            None => Err(NotAProfileName::NoNamespace),
        }
    }
}

/// A person, and what it was folded from.
#[derive(Clone, Debug)]
pub struct Found {
    pub set: IdentitySet,
    /// In the order of the set. One that no event was applied to yet is not among them.
    pub members: Vec<Member>,
    pub person: Person,
    /// How often the members were written. With the set's revision it tells whether anything has changed.
    pub writes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("{0}; build a deployment anew from the lake: docs/replay.md")]
    Stored(#[from] BadItem),
}

impl From<SetError> for LookupError {
    fn from(error: SetError) -> Self {
        match error {
            SetError::Port(error) => Self::Port(error),
            SetError::Stored(error) => Self::Stored(error),
        }
    }
}

/// The use case and its port.
#[derive(Debug)]
pub struct Lookup<'s, S> {
    pub state: &'s S,
}

impl<S: State> Lookup<'_, S> {
    /// `None`: nobody has that identifier, or there is no such profile.
    pub async fn find(&self, name: &ProfileName<'_>) -> Result<Option<Found>, LookupError> {
        match name {
            ProfileName::Profile(profile) => match self.read(profile_key(*profile)).await? {
                Some(item) => self.found(*profile, item).await.map(Some),
                None => Ok(None),
            },
            ProfileName::Identifier(identifier) => match self.read(claim_key(identifier)).await? {
                Some(item) => self.claimed(Claim::decode(item.body)?).await.map(Some),
                None => Ok(None),
            },
        }
    }

    async fn claimed(&self, Claim { profile, founded, .. }: Claim) -> Result<Found, LookupError> {
        match (self.read(profile_key(profile)).await?, founded) {
            (Some(item), _) => self.found(profile, item).await,
            // Its first events are on their way.
            (None, Some(founded)) => Ok(Found::new(founded.read(profile)?, vec![], 0)),
            (None, None) => Err(BadItem::new("profile", format!("{profile} has none")).into()),
        }
    }

    async fn found(&self, profile: ProfileId, item: Item) -> Result<Found, LookupError> {
        let writes = item.version;
        let ProfileItem { belonging, member } = ProfileItem::decode(item.body, profile)?;
        match belonging {
            Belonging::Alone(set) => Ok(Found::new(set, vec![member], writes)),
            Belonging::To(root) => {
                let set = sets_at(self.state, &[root]).await?.pop().map(|(_, set)| set);
                let set = set.ok_or_else(|| BadItem::new("identity set", format!("there is none at {root}")))?;
                self.gather(set, profile, (writes, member)).await
            }
        }
    }

    /// `known`: the member that is `profile`, and its version.
    async fn gather(
        &self,
        set: IdentitySet,
        profile: ProfileId,
        known: (Version, Member),
    ) -> Result<Found, LookupError> {
        let others: Vec<ProfileId> = set.members().iter().copied().filter(|member| *member != profile).collect();
        let keys: Vec<Key> = others.iter().map(|member| profile_key(*member)).collect();
        let items = if keys.is_empty() { vec![] } else { self.state.get(&keys).await? };
        let (mut writes, mut members) = (known.0, vec![known.1]);
        for (member, item) in others.into_iter().zip(items) {
            let Some(item) = item else { continue };
            writes += item.version;
            members.push(ProfileItem::decode(item.body, member)?.member);
        }
        members.sort_unstable_by_key(|member| member.id);
        Ok(Found::new(set, members, writes))
    }

    async fn read(&self, key: Key) -> Result<Option<Item>, LookupError> {
        Ok(self.state.get(&[key]).await?.pop().flatten())
    }
}

impl Found {
    fn new(set: IdentitySet, members: Vec<Member>, writes: u64) -> Self {
        Self { person: Person::of(&members), set, members, writes }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use cdp_ports::{PortResult, Transaction};
    use futures::executor::block_on;

    use super::*;
    use crate::small_platform::platform;

    /// Counts the reads.
    struct Counted<S>(S, AtomicUsize);

    impl<S: State> State for Counted<S> {
        async fn get(&self, keys: &[Key]) -> PortResult<Vec<Option<Item>>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.get(keys).await
        }

        async fn query(
            &self,
            partition: &str,
            prefix: &str,
            after: Option<&str>,
            limit: usize,
        ) -> PortResult<Vec<Item>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.query(partition, prefix, after, limit).await
        }

        async fn commit(&self, transaction: Transaction) -> PortResult<()> {
            self.0.commit(transaction).await
        }
    }

    #[test]
    fn a_person_is_found_in_few_reads() {
        let state = Counted(platform().state, AtomicUsize::new(0));
        let find = |name: &str| {
            let name = ProfileName::parse(name).expect("a name");
            let found = block_on(Lookup { state: &state }.find(&name)).expect("memory");
            (found.map(|found| (found.members.len(), found.person.events)), state.1.swap(0, Ordering::Relaxed))
        };
        for (name, person, reads) in [
            ("user_id:nobody", None, 1),
            ("user_id:joe", Some((1, 1)), 2),
            ("user_id:jane", Some((2, 5)), 4),
            ("email:J@x.org", Some((2, 5)), 4),
            ("anonymous_id:laptop", Some((2, 5)), 4),
            ("prf_00000000000000000000000000", None, 1),
        ] {
            assert_eq!(find(name), (person, reads), "{name}");
        }
    }

    #[test]
    fn any_profile_of_a_person_names_the_person() {
        let state = platform().state;
        let find =
            |name: &ProfileName<'_>| block_on(Lookup { state: &state }.find(name)).expect("memory").expect("found");
        let jane = find(&ProfileName::parse("user_id:jane").expect("a name"));
        for member in jane.set.members() {
            let found = find(&ProfileName::Profile(*member));
            assert_eq!((&found.set, &found.person, found.writes), (&jane.set, &jane.person, jane.writes));
        }
    }

    #[test]
    fn a_name_is_an_identifier_or_a_profile_id() {
        for (text, expected) in [
            ("user_id:a:b", "user_id:a:b"),
            ("email: J@X.org ", "email:j@x.org"),
            ("prf_00000000000000000000000000", "prf_00000000000000000000000000"),
            ("prf_0", "not a profile id"),
            ("jane", "NAMESPACE:VALUE"),
            ("User:jane", "not a namespace"),
            ("user_id:", "empty"),
        ] {
            let read = match ProfileName::parse(text) {
                Ok(ProfileName::Identifier(identifier)) => identifier.to_string(),
                Ok(ProfileName::Profile(profile)) => profile.to_string(),
                Err(error) => error.to_string(),
            };
            assert!(read.contains(expected), "{text}: {read}");
        }
    }
}
