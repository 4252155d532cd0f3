use std::io::{self, Write};

use clap::Args;
use serde_json::{Value, json};

use super::wait_for;
use crate::at::At;
use crate::fault::Fault;
use crate::output::{Format, Rows};
use crate::progress;

/// Proves from the stored data that every record was taken in exactly once.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cdp verify --dir shop\n  cdp verify --aws --stage prod\n\nExits with 1 when a check does not hold."
)]
pub struct Verify {
    #[command(flatten)]
    at: At,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Verify {
    pub fn run(self) -> Result<(), Fault> {
        let bar = progress::waiting("comparing profiles, tables and checkpoints");
        let answer = wait_for(async { Ok(self.at.door().await?.post("/v1/admin/verify", &json!({})).await?) })?;
        bar.finish_and_clear();
        let body: Value = serde_json::from_slice(&answer.body).map_err(Fault::unavailable)?;
        let Some(checks) = body["checks"].as_array().filter(|_| answer.status.is_success()) else {
            return Err(Fault::unavailable(body["message"].as_str().unwrap_or("no reason given")));
        };
        if self.format == Format::Json {
            writeln!(io::stdout(), "{body:#}")?;
        } else {
            let mut rows = Rows::new(&["check", "holds", "expected", "found", "examples"]);
            for check in checks {
                let holds = if check["holds"] == true { "yes" } else { "NO" };
                let examples = check["examples"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let examples = examples.collect::<Vec<_>>().join("\n");
                rows.push([
                    check["name"].clone(),
                    holds.into(),
                    check["expected"].clone(),
                    check["found"].clone(),
                    examples.into(),
                ]);
            }
            rows.print(self.format)?;
        }
        if body["holds"] == true { Ok(()) } else { Err(Fault::no("not everything holds")) }
    }
}
