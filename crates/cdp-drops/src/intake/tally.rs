//! Why rows were refused, and the first rows that were.

use std::collections::BTreeMap;

use cdp_event::{Reason, Rejection, Timestamp, validate};
use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::report::Example;

const EXAMPLES_OF_A_REASON: usize = 3;
const MAX_DETAIL_CHARS: usize = 300;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    pub reasons: BTreeMap<String, u64>,
    pub examples: Vec<Example>,
}

impl Tally {
    /// What ingest refused of a batch.
    pub fn add(&mut self, reasons: &BTreeMap<&'static str, u64>, batch: &Batch) {
        for (reason, rows) in reasons {
            self.count(reason, *rows);
        }
        // What rules on identifiers refuse is not known here by row.
        let is_known_here = |reason: &&&str| **reason != Reason::BlockedIdentifiers.as_str();
        if reasons.keys().filter(is_known_here).any(|reason| self.wants_example_of(reason)) {
            refused(batch, |number, rejection| self.exemplify(number, &rejection));
        }
    }

    /// What ingest must have refused of a batch, as far as the rows themselves tell.
    pub fn retell(&mut self, batch: &Batch) {
        refused(batch, |number, rejection| {
            self.count(rejection.reason.as_str(), 1);
            self.exemplify(number, &rejection);
        });
    }

    pub fn count(&mut self, reason: &str, rows: u64) {
        if rows > 0 {
            *self.reasons.entry(reason.to_owned()).or_default() += rows;
        }
    }

    pub fn total(&self) -> u64 {
        self.reasons.values().sum()
    }

    fn wants_example_of(&self, reason: &str) -> bool {
        self.examples.iter().filter(|example| example.reason == reason).count() < EXAMPLES_OF_A_REASON
    }

    fn exemplify(&mut self, row: u64, rejection: &Rejection) {
        let reason = rejection.reason.as_str();
        if self.wants_example_of(reason) {
            let detail = rejection.detail.chars().take(MAX_DETAIL_CHARS).collect();
            self.examples.push(Example { row, reason: reason.to_owned(), field: rejection.field.clone(), detail });
        }
    }
}

fn refused(batch: &Batch, mut each: impl FnMut(u64, Rejection)) {
    for decoded in batch.decoded("", Timestamp::LATEST) {
        let number = decoded.offset.sequence.as_u64().unwrap_or(0);
        if let Err(rejection) = decoded.event.and_then(|raw| validate(&raw)) {
            each(number, rejection);
        }
    }
}
