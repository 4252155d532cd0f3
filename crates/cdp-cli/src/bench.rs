//! `cdp bench`: how fast, on this machine. Each bench prints a table and, where asked, writes JSON.

mod http;
mod identity;
mod lookup;
mod road;

mod latency;
mod measure;
mod source;
mod world;

use clap::Subcommand;

use crate::fault::Fault;

/// Measures the platform on this machine.
#[derive(Debug, Subcommand)]
pub enum Bench {
    Road(road::Road),
    Identity(identity::Identity),
    Http(http::Http),
    Lookup(lookup::Lookup),
}

impl Bench {
    pub fn run(self) -> Result<(), Fault> {
        match self {
            Self::Road(bench) => bench.run(),
            Self::Identity(bench) => bench.run(),
            Self::Http(bench) => bench.run(),
            Self::Lookup(bench) => bench.run(),
        }
    }
}
