//! A row that tells less than State has. It may be on its way: its batch was not checkpointed when the proof began, or its file
//! waits to be committed.

use std::collections::BTreeSet;

use cdp_identity::ProfileId;

use super::report::Sum;

/// A check of rows that may be late.
pub(super) struct Late {
    pub sum: Sum,
    /// Rows of landed files whose commit is not known of, and which no profile has been granted yet.
    waiting: u64,
    late: Vec<LateRow>,
}

struct LateRow {
    /// Of the person that it tells of.
    root: ProfileId,
    expected: u64,
    found: u64,
    example: String,
}

impl Late {
    pub fn new(name: &'static str, waiting: u64) -> Self {
        Self { sum: Sum::new(name), waiting, late: vec![] }
    }

    pub fn add(&mut self, root: ProfileId, expected: u64, found: u64, example: String) {
        self.late.push(LateRow { root, expected, found, example });
    }

    pub fn roots(&self) -> impl Iterator<Item = ProfileId> {
        self.late.iter().map(|row| row.root)
    }

    /// `moving`: persons that a batch changed which was not checkpointed when the proof began. Each other late row has one that waits.
    pub fn settle(&mut self, moving: &BTreeSet<ProfileId>) {
        let late = std::mem::take(&mut self.late).into_iter();
        for LateRow { expected, found, example, .. } in late.filter(|row| !moving.contains(&row.root)) {
            if self.waiting > 0 {
                self.waiting -= 1;
            } else {
                self.wrong(expected, found, example);
            }
        }
    }

    pub fn wrong(&mut self, expected: u64, found: u64, example: String) {
        self.sum.add(expected, expected, found);
        self.sum.wrong(|| example);
    }
}
