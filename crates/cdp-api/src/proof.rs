//! The proof that every record was taken in exactly once, as JSON.

use cdp_app::{Check, Verification};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct ProofView<'p> {
    holds: bool,
    at_rest: bool,
    profiles_in_flight: u64,
    checks: Vec<CheckView<'p>>,
}

#[derive(Debug, Serialize)]
struct CheckView<'p> {
    name: &'static str,
    holds: bool,
    expected: &'p str,
    found: &'p str,
    examples: &'p [String],
}

impl<'p> From<&'p Verification> for ProofView<'p> {
    fn from(proof: &'p Verification) -> Self {
        Self {
            holds: proof.holds(),
            at_rest: proof.at_rest,
            profiles_in_flight: proof.profiles_in_flight,
            checks: proof.checks.iter().map(CheckView::from).collect(),
        }
    }
}

impl<'p> From<&'p Check> for CheckView<'p> {
    fn from(check: &'p Check) -> Self {
        Self {
            name: check.name,
            holds: check.holds,
            expected: &check.expected,
            found: &check.found,
            examples: &check.examples,
        }
    }
}
