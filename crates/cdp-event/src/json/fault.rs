//! What is wrong with an event's JSON, for the producer who sent it.

use crate::{Reason, Rejection};

/// Where it is, from the inside out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    kind: Kind,
    path: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// Not JSON: what should stand at a byte.
    Expected {
        what: &'static str,
        at: usize,
    },
    TooDeep {
        at: usize,
    },
    /// Sound JSON of another type than the field has.
    NotA {
        what: &'static str,
    },
    Twice,
}

impl Fault {
    pub fn expected(what: &'static str, at: usize) -> Self {
        Self::of(Kind::Expected { what, at })
    }

    pub fn too_deep(at: usize) -> Self {
        Self::of(Kind::TooDeep { at })
    }

    pub fn not_a(what: &'static str) -> Self {
        Self::of(Kind::NotA { what })
    }

    pub fn twice() -> Self {
        Self::of(Kind::Twice)
    }

    fn of(kind: Kind) -> Self {
        Self { kind, path: Vec::new() }
    }

    /// It is in the value of this key.
    #[cold]
    pub fn within(mut self, key: &str) -> Self {
        self.path.push(key.to_owned());
        self
    }

    fn path(&self) -> String {
        self.path.iter().rev().map(String::as_str).collect::<Vec<_>>().join(".")
    }
}

impl From<Fault> for Rejection {
    fn from(fault: Fault) -> Self {
        let path = fault.path();
        match fault.kind {
            Kind::Expected { what, at } => Self::new(Reason::NotJson, format!("byte {at}: expected {what}")),
            Kind::TooDeep { at } => Self::new(Reason::TooDeep, format!("byte {at} nests deeper")),
            Kind::NotA { what } => {
                let detail = format!("`{path}` is not {what}");
                Self::of(path, Reason::WrongType, detail)
            }
            Kind::Twice => {
                let detail = format!("`{path}` stands twice");
                Self::of(path, Reason::DuplicateKey, detail)
            }
        }
    }
}
