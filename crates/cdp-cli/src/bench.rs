//! `cdp bench`: how fast, how large and how right, on this machine. Each bench prints a table and, where asked, writes JSON.

mod parse;
mod road;

mod profiles;

mod http;
mod lookup;

mod identity;

mod latency;
mod measure;
mod report;

mod people;
mod source;

mod stores;

mod client;
mod load;
mod platform;

use clap::Subcommand;

use crate::fault::Fault;
use crate::memory;

/// Measures the platform on this machine.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  cdp bench road\n  cdp bench http --json http.json\n\n\
    Figures that count are those of a release build: cargo build --release --bin cdp.")]
pub enum Bench {
    Parse(parse::Parse),
    Road(road::Road),
    Profiles(profiles::Profiles),
    Http(http::Http),
    Lookup(lookup::Lookup),
    Identity(identity::Identity),
}

impl Bench {
    pub fn run(self) -> Result<(), Fault> {
        memory::keep_between_batches();
        match self {
            Self::Parse(bench) => bench.run(),
            Self::Road(bench) => bench.run(),
            Self::Profiles(bench) => bench.run(),
            Self::Http(bench) => bench.run(),
            Self::Lookup(bench) => bench.run(),
            Self::Identity(bench) => bench.run(),
        }
    }
}
