//! What AWS's services have in common for the adapters that speak to them: which fault an answer is.

mod fault;

pub use fault::{Faulty, fault};
