//! Profiles: what events say of a person. Applies, folds; never stores, and decides nothing about identity.
//!
//! Events are applied to one [`Member`], the profile that they belong to. A [`Person`] is the fold of the members of one
//! identity set. Applying commutes over events, folding over members; both take a repeat as nothing new.

mod seen;

mod member;
mod person;

mod stored;

pub use member::{InFlight, Member, Outline, RECENT_EVENTS, RecentEvent, Trait, Verdict};
pub use person::Person;

#[cfg(test)]
mod properties;
