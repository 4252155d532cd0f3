//! An event's JSON. It is read by hand, in one pass, since reading is the dearest step before a file: what is needed is
//! borrowed, all else is checked on the way, and a fault knows its path. Tests hold it to what serde_json says.

mod escape;
mod fault;
mod read;
mod scan;

pub(crate) use escape::lone_surrogate;
pub(crate) use fault::Fault;
pub(crate) use read::{Fields, Once};
pub(crate) use scan::{Kind, Scanner};

#[cfg(test)]
mod tests;
