//! Identity: which identifiers belong to one person. Decides, never stores.
//!
//! An identifier is claimed once, by one profile, for ever. Profiles that turn out to be one person are joined in an
//! `IdentitySet`, whose smallest member is the canonical profile. `decide` takes what an event names and what is known,
//! and says what changes; [`Rules`] say what may be joined.

mod profile_id;
mod rules;

mod set;

mod decide;

mod stored;

#[cfg(test)]
mod people;

pub use decide::{Candidate, Decision, Demotion, Known, Occasion, decide};
pub use profile_id::{NotAProfileId, ProfileId};
pub use rules::{BadRules, Caps, Limit, NamespaceRule, Rules, RulesVersion, default_namespaces};
pub use set::{Edge, EdgeKind, Held, IdentitySet};
pub use stored::{BadItem, Belonging, Claim, Founded, SetItem};
