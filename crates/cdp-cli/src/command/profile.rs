use axum::http::StatusCode;
use cdp_local::Door;
use clap::Args;
use serde_json::Value;

use super::{Dir, wait_for};
use crate::fault::Fault;
use crate::output::{Format, print_object};
use crate::path::in_a_path;

/// Shows a person: traits, identifiers, counts, recent events.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cdp profile user_id:02855 --dir shop\n  cdp profile email:jane@example.com --format json"
)]
pub struct Profile {
    /// NAMESPACE:VALUE, or a profile's id (prf_…).
    name: String,
    #[command(flatten)]
    at: Dir,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Profile {
    pub fn run(self) -> Result<(), Fault> {
        let answer = wait_for(async {
            let door = Door::open(&self.at.dir).await?;
            Ok(door.get(&format!("/v1/profiles/{}", in_a_path(&self.name))).await?)
        })?;
        let body: Value = serde_json::from_slice(&answer.body).map_err(Fault::unavailable)?;
        let message =
            || body["error"]["message"].as_str().or(body["message"].as_str()).unwrap_or("no reason given").to_owned();
        match (answer.status, &body) {
            (StatusCode::OK, Value::Object(person)) => Ok(print_object(person, self.format)?),
            (StatusCode::NOT_FOUND, _) => Err(Fault::no(format!("{}: {}", self.name, message()))),
            (status, _) if status.is_client_error() => Err(Fault::wrong(message())),
            _ => Err(Fault::unavailable(message())),
        }
    }
}
