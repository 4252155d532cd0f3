use std::io::{self, Write};
use std::path::PathBuf;

use cdp_local::Created;
use clap::Args;
use serde_json::json;

use crate::fault::Fault;
use crate::output::Format;

/// Makes a deployment folder: settings, fresh secrets, a drop folder.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cdp init shop\n  cdp init shop --format json")]
pub struct Init {
    /// A folder that is no deployment yet; it is made if it is not there.
    dir: PathBuf,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Init {
    pub fn run(self) -> Result<(), Fault> {
        let Created { write_key, api_token, stream, drop_source } = cdp_local::init(&self.dir)?;
        let dir = self.dir.display();
        let mut out = io::stdout().lock();
        match self.format {
            Format::Json => writeln!(
                out,
                "{}",
                json!({"write_key": write_key, "api_token": api_token, "stream": stream, "drop_source": drop_source})
            ),
            Format::Csv => {
                writeln!(out, "write_key,api_token,stream,drop_source\n{write_key},{api_token},{stream},{drop_source}")
            }
            Format::Table => writeln!(
                out,
                "{dir} is a deployment now.\n\n\
                 \x20 write key    {write_key}   (HTTP API, source web)\n\
                 \x20 API token    {api_token}   (profiles, administration)\n\
                 \x20 stream       {stream}   (Kinesis API)\n\
                 \x20 drop folder  {dir}/drops/{drop_source}\n\n\
                 Start it:  cdp up --dir {dir}"
            ),
        }?;
        Ok(())
    }
}
