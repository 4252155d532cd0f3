//! What the proof found.

/// Of what does not hold.
pub(super) const MAX_EXAMPLES: usize = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    pub checks: Vec<Check>,
    /// Nothing was in flight or waiting: every check was exact.
    pub at_rest: bool,
    /// Profiles with events whose batch was not checkpointed. They were not compared.
    pub profiles_in_flight: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// In snake case: `accepted_in_events`.
    pub name: &'static str,
    pub holds: bool,
    pub expected: String,
    pub found: String,
    /// What does not hold, at most five of it.
    pub examples: Vec<String>,
}

impl Verification {
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.holds)
    }
}

/// Many comparisons, as one check: it holds when each does.
#[derive(Debug)]
pub(super) struct Sum {
    name: &'static str,
    least: u64,
    most: u64,
    found: u64,
    wrong: u64,
    examples: Vec<String>,
}

impl Sum {
    pub fn new(name: &'static str) -> Self {
        Self { name, least: 0, most: 0, found: 0, wrong: 0, examples: vec![] }
    }

    pub fn expect(&mut self, least: u64, most: u64, found: u64, example: impl FnOnce() -> String) {
        self.add(least, most, found);
        if !(least..=most).contains(&found) {
            self.wrong(example);
        }
    }

    /// Without judging it.
    pub fn add(&mut self, least: u64, most: u64, found: u64) {
        self.least = self.least.saturating_add(least);
        self.most = self.most.saturating_add(most);
        self.found = self.found.saturating_add(found);
    }

    pub fn wrong(&mut self, example: impl FnOnce() -> String) {
        self.wrong += 1;
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(example());
        }
    }
}

impl From<Sum> for Check {
    fn from(sum: Sum) -> Self {
        let Sum { name, least, most, found, wrong, examples } = sum;
        Self { name, holds: wrong == 0, expected: span(least, most), found: found.to_string(), examples }
    }
}

pub(super) fn span(least: u64, most: u64) -> String {
    if least == most { least.to_string() } else { format!("{least} to {most}") }
}
