use std::net::SocketAddr;

use clap::Args;

use super::Dir;
use crate::fault::Fault;
use crate::memory;

/// Runs the platform until Ctrl-C. A start goes on where the last run stood, however it ended.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cdp up --dir shop\n  cdp up --dir shop --listen 0.0.0.0:8080")]
pub struct Up {
    #[command(flatten)]
    at: Dir,
    /// The address to listen on; with port 0, one that is free.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

impl Up {
    pub fn run(self) -> Result<(), Fault> {
        memory::keep_between_batches();
        let dir = self.at.dir.display().to_string();
        cdp_local::up(&self.at.dir, self.listen, |address| {
            eprintln!("{dir} runs at http://{address}; Ctrl-C stops it");
        })?;
        eprintln!("{dir} has stopped");
        Ok(())
    }
}
