//! `cdp`: the platform on one machine, by command.

mod bench;
mod command;
mod fault;
mod output;
mod progress;
mod tracing_setup;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = command::Cli::parse();
    tracing_setup::start(cli.log_format);
    match cli.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => fault.report(),
    }
}
