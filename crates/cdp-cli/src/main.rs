//! `cdp`: the platform on one machine, by command.

#![expect(clippy::print_stderr, reason = "what a command says beside its answer is for a person")]

mod command;

mod at;
mod drops;

mod bench;
mod fault;
mod memory;
mod output;
mod path;
mod progress;
mod tracing_setup;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = command::Cli::parse();
    tracing_setup::start(cli.log_format);
    match cli.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => fault.report(),
    }
}
