//! When a function has to be done.

use std::time::{Duration, SystemTime};

use lambda_runtime::Context;

#[derive(Clone, Copy, Debug)]
pub struct Deadline(SystemTime);

impl Deadline {
    pub fn of(context: &Context) -> Self {
        Self::at(context.deadline())
    }

    pub fn at(moment: SystemTime) -> Self {
        Self(moment)
    }

    /// Nothing once it has passed.
    pub fn left(&self) -> Duration {
        self.0.duration_since(SystemTime::now()).unwrap_or_default()
    }
}
