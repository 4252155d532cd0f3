use std::path::{Path, PathBuf};

use adapter_machine::Machine;
use cdp_app::{Choice, ReplayJob};
use cdp_deployment::SETTINGS_FILE;
use cdp_event::Timestamp;
use cdp_local::Running;
use cdp_ports::Clock;
use clap::Args;
use serde_json::Value;

use super::wait_for;
use crate::at::At;
use crate::fault::Fault;
use crate::output::{Format, Rows};
use crate::progress;

/// Replays the events of another deployment into this one: to build it anew from its lake, or to try other rules.
///
/// They go in the order of their receipt, and keep their times and message ids. The same command again goes on where it stood; one
/// that is done sends nothing more.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cdp replay --from old-shop --dir new-shop --since 2026-01-01\n\n\
    Dates are of the time of receipt, in UTC. While the platform runs, it takes the events in; else its next start does.")]
pub struct Replay {
    /// The folder of another deployment, or of its lake; with --aws, its lake bucket: s3://BUCKET.
    #[arg(long)]
    from: String,
    /// Events that were received on this date or later; or at this moment, in ISO 8601.
    #[arg(long)]
    since: Option<String>,
    /// Events that were received before this date or moment; all that are there when it begins unless it is said.
    #[arg(long)]
    until: Option<String>,
    /// Events of one source.
    #[arg(long)]
    source: Option<String>,
    #[command(flatten)]
    at: At,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Replay {
    pub fn run(self) -> Result<(), Fault> {
        let lake = self.lake()?;
        let since = self.since.as_deref().map(|since| moment("--since", since)).transpose()?;
        let until = self.until.as_deref().map(|until| moment("--until", until)).transpose()?;
        let choice = Choice { source: self.source, since, until };
        let job = ReplayJob::of_events(lake, choice, "cdp replay", Machine.now());
        let bar = progress::towards(0, "events");
        let done = follow(&self.at, &job, |step| {
            bar.set_length(step["at_most"].as_u64().unwrap_or_default());
            bar.set_position(step["replayed"].as_u64().unwrap_or_default());
        });
        bar.finish_and_clear();
        let done = done?;
        if done["done_before"] == true {
            let until = done["until"].as_str().unwrap_or_default();
            eprintln!(
                "this replay was done before, and nothing was sent now: the row tells what it sent then. Events that were received later \
                 are another replay: --since {until}. To send the same ones again, replay into a fresh deployment"
            );
        } else if let At::Folder(dir) = &self.at
            && done["replayed"] != 0
            && Running::find(dir).is_none()
        {
            eprintln!("the events wait in the log; `cdp up` takes them in");
        }
        let mut rows = Rows::new(&["replayed", "received_before"]);
        rows.push([done["replayed"].clone(), done["until"].clone()]);
        Ok(rows.print(self.format)?)
    }
}

impl Replay {
    fn lake(&self) -> Result<String, Fault> {
        match &self.at {
            At::Folder(_) => Ok(lake_of(Path::new(&self.from))?.to_string_lossy().into_owned()),
            At::Aws { .. } if self.from.starts_with("s3://") => Ok(self.from.clone()),
            At::Aws { .. } => {
                Err(Fault::wrong("--from: with --aws, name the lake of another deployment as s3://BUCKET"))
            }
        }
    }
}

/// Asks for step after step of the job, until it is done. Answers what the last one said.
pub fn follow(at: &At, job: &ReplayJob, told: impl Fn(&Value)) -> Result<Value, Fault> {
    let job: Value = serde_json::from_str(&job.to_json()).map_err(Fault::wrong)?;
    wait_for(async {
        let door = at.door().await?;
        loop {
            let answer = door.post("/v1/admin/replay", &job).await?;
            let step: Value = serde_json::from_slice(&answer.body).map_err(Fault::unavailable)?;
            if !answer.status.is_success() {
                let message = step["message"].as_str().unwrap_or("no reason given").to_owned();
                let is_ours = answer.status.is_client_error();
                return Err(if is_ours { Fault::wrong(message) } else { Fault::unavailable(message) });
            }
            told(&step);
            if step["done"] == true {
                return Ok(step);
            }
        }
    })
}

/// The lake of a deployment, or one that stands alone.
fn lake_of(from: &Path) -> Result<PathBuf, Fault> {
    let lake = if from.join(SETTINGS_FILE).exists() { from.join("lake") } else { from.to_owned() };
    if !lake.join("events").join("_delta_log").is_dir() {
        let what = from.display();
        return Err(Fault::wrong(format!("{what} is neither a deployment nor a lake: it has no table `events`")));
    }
    lake.canonicalize().map_err(|error| Fault::wrong(format!("{}: {error}", lake.display())))
}

/// A date begins at midnight, UTC.
pub fn moment(argument: &str, text: &str) -> Result<Timestamp, Fault> {
    let midnight = || format!("{text}T00:00:00.000Z").parse();
    let moment = text.parse().or_else(|error: cdp_event::NotATime| midnight().map_err(|_| error));
    moment.map_err(|error| Fault::wrong(format!("{argument}: {error}; or a date, such as 2026-01-31")))
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn dates_and_moments_are_taken() {
        for (text, expected) in [
            ("2026-01-31", Some("2026-01-31T00:00:00.000Z")),
            ("2026-01-31T09:30:00Z", Some("2026-01-31T09:30:00.000Z")),
            ("2026-02-30", None),
            ("yesterday", None),
        ] {
            let read = moment("--since", text).ok().map(|moment| moment.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }
}
