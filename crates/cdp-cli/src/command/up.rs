use std::net::{SocketAddr, ToSocketAddrs};

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
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080", value_parser = address)]
    listen: SocketAddr,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let remedy = "write HOST:PORT, such as 127.0.0.1:8080 or localhost:8080";
    let found = text.to_socket_addrs().map_err(|error| format!("{error}; {remedy}"))?;
    // Of a name that stands for both, the one that 127.0.0.1 in a producer's settings finds.
    let found: Vec<SocketAddr> = found.collect();
    let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
    first.copied().ok_or_else(|| format!("nobody has that name; {remedy}"))
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

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn addresses_and_names_are_taken() {
        assert!(address("localhost:8081").is_ok_and(|found| found.ip().is_loopback() && found.port() == 8081));
        for (text, expected) in [
            ("127.0.0.1:8081", Some("127.0.0.1:8081")),
            ("[::1]:8081", Some("[::1]:8081")),
            ("8081", None),
            ("127.0.0.1", None),
            ("127.0.0.1:80808", None),
        ] {
            let found = address(text);
            assert_eq!(found.as_ref().ok().map(ToString::to_string).as_deref(), expected, "{text}");
            assert!(found.is_ok() || found.is_err_and(|error| error.contains("write HOST:PORT")), "{text}");
        }
    }
}
