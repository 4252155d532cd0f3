//! The commands, each in a file of its own: its arguments, and what it does with them.

mod init;
mod up;

mod drop;

mod profile;
mod query;

mod quarantine;
mod replay;
mod verify;

mod check;

mod cost;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::bench;
use crate::fault::Fault;
use crate::tracing_setup::LogFormat;

/// A customer data platform, on one machine and on AWS: events in by HTTP, stream or file, people and tables out.
#[derive(Debug, Parser)]
#[command(
    name = "cdp",
    version,
    after_help = "Begin with:\n  cdp init shop\n  cdp up --dir shop\n\n\
    Exit codes: 0 fine, 1 the answer is no, 2 the command or the configuration is wrong, 3 unavailable."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// How log lines are written to stderr; RUST_LOG chooses which.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Init(init::Init),
    Up(up::Up),
    Drop(drop::Drop),
    Profile(profile::Profile),
    Query(query::Query),
    #[command(subcommand)]
    Quarantine(quarantine::Quarantine),
    Replay(replay::Replay),
    Verify(verify::Verify),
    Check(check::Check),
    Cost(cost::Cost),
    #[command(subcommand)]
    Bench(bench::Bench),
}

/// The deployment on this machine that a command is about.
#[derive(Debug, Args)]
pub struct Dir {
    /// The deployment's folder.
    #[arg(long, default_value = ".", env = "CDP_DIR")]
    pub dir: PathBuf,
}

impl Command {
    pub fn run(self) -> Result<(), Fault> {
        match self {
            Self::Init(command) => command.run(),
            Self::Up(command) => command.run(),
            Self::Drop(command) => command.run(),
            Self::Profile(command) => command.run(),
            Self::Query(command) => command.run(),
            Self::Quarantine(command) => command.run(),
            Self::Replay(command) => command.run(),
            Self::Verify(command) => command.run(),
            Self::Check(command) => command.run(),
            Self::Cost(command) => command.run(),
            Self::Bench(command) => command.run(),
        }
    }
}

/// Runs what waits for others, and a statement on all cores.
fn wait_for<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(work)
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::Cli;

    fn check(command: &Command) {
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{}: {}", command.get_name(), argument.get_id());
        }
        command.get_subcommands().for_each(check);
    }

    #[test]
    fn each_argument_has_a_help() {
        check(&Cli::command());
    }
}
