use std::io::Write;

use adapter_machine::Machine;
use arrow::array::{Array, AsArray};
use cdp_app::{Choice, ReplayJob};
use cdp_event::{Reason, Timestamp};
use cdp_ports::{Chance, Clock};
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use futures::TryStreamExt;

use super::replay::{follow, moment};
use super::{query, wait_for};
use crate::at::{At, Engine, of_statement};
use crate::fault::Fault;
use crate::output::{Format, Rows};
use crate::progress;

/// Records that were refused: what, why, and their bytes.
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Example:\n  cdp quarantine list --dir shop\n  cdp quarantine show --dir shop shardId-000000000000@17.0"
)]
pub enum Quarantine {
    List(List),
    Show(Show),
    Replay(Replay),
}

impl Quarantine {
    pub fn run(self) -> Result<(), Fault> {
        match self {
            Self::List(command) => command.run(),
            Self::Show(command) => command.run(),
            Self::Replay(command) => command.run(),
        }
    }
}

/// Lists refused records, the newest first.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cdp quarantine list --dir shop --reason no_identifier --since 2026-01-31\n  \
    cdp quarantine list --aws --source web")]
pub struct List {
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    chosen: Chosen,
    /// The newest so many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Which rows; without any of it all.
#[derive(Debug, Args)]
struct Chosen {
    /// Rows of one reason, such as no_identifier.
    #[arg(long, value_parser = reasons(), hide_possible_values = true)]
    reason: Option<String>,
    /// Rows of one source.
    #[arg(long)]
    source: Option<String>,
    /// Rows that were received on this date or later, in UTC; or at this moment, in ISO 8601.
    #[arg(long)]
    since: Option<String>,
}

/// Also on AWS: a handful of rows is found without Athena.
const ENGINE: Option<Engine> = Some(Engine::Datafusion);

fn reasons() -> PossibleValuesParser {
    Reason::ALL.map(Reason::as_str).into()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl Chosen {
    fn since(&self) -> Result<Option<Timestamp>, Fault> {
        self.since.as_deref().map(|since| moment("--since", since)).transpose()
    }

    /// As SQL has it.
    fn condition(&self) -> Result<String, Fault> {
        let conditions: Vec<String> = [
            self.reason.as_deref().map(|reason| format!("reason = {}", quoted(reason))),
            self.source.as_deref().map(|source| format!("source = {}", quoted(source))),
            self.since()?.map(|since| format!("received_at >= timestamp '{since}'")),
        ]
        .into_iter()
        .flatten()
        .collect();
        Ok(if conditions.is_empty() { String::new() } else { format!("where {}", conditions.join(" and ")) })
    }
}

impl List {
    fn run(self) -> Result<(), Fault> {
        let statement = format!(
            "select partition || '@' || sequence || '.' || cast(sub as varchar) as position, received_at, source, reason, \
             field, detail, remedy from quarantine {} \
             order by received_at desc, partition, length(sequence), sequence, sub limit {}",
            self.chosen.condition()?,
            self.limit
        );
        wait_for(async { query::print(self.at.tables(ENGINE).await?.run(&statement).await?, self.format).await })
    }
}

/// Writes a refused record's bytes to stdout, just as they came.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cdp quarantine show --dir shop shardId-000000000000@17.0\n  \
    cdp quarantine show --aws shardId-000000000000@49664093213432141.0")]
pub struct Show {
    /// As `cdp quarantine list` prints it.
    position: String,
    #[command(flatten)]
    at: At,
}

impl Show {
    fn run(self) -> Result<(), Fault> {
        let place = self.position.rsplit_once('@').and_then(|(partition, offset)| {
            let (sequence, sub) = offset.split_once('.')?;
            Some((partition, sequence, sub.parse::<i32>().ok()?))
        });
        let Some((partition, sequence, sub)) = place else {
            return Err(Fault::wrong(format!("{:?} is no position; `cdp quarantine list` prints them", self.position)));
        };
        let statement = format!(
            "select bytes from quarantine where partition = {} and sequence = {} and sub = {sub}",
            quoted(partition),
            quoted(sequence)
        );
        let batches: Vec<_> = wait_for(async {
            let found = self.at.tables(ENGINE).await?.run(&statement).await?;
            found.rows.try_collect().await.map_err(of_statement)
        })?;
        let bytes = batches.iter().find(|batch| batch.num_rows() > 0).and_then(|batch| {
            let column = batch.columns().first()?;
            column.as_binary_opt::<i32>().filter(|column| !column.is_empty()).map(|column| column.value(0).to_vec())
        });
        let bytes = bytes.ok_or_else(|| Fault::no(format!("nothing was refused at {}", self.position)))?;
        Ok(std::io::stdout().lock().write_all(&bytes)?)
    }
}

/// Sends refused records through the stream again, each at most once: after the rules or the platform have changed.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cdp quarantine replay --dir shop --reason blocked_identifiers --since 2026-01-31\n  \
    cdp quarantine replay --aws --stage prod --source web"
)]
pub struct Replay {
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    chosen: Chosen,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Replay {
    fn run(self) -> Result<(), Fault> {
        let since = self.chosen.since()?;
        let Chosen { reason, source, .. } = self.chosen;
        let choice = Choice { source, since, until: None };
        let job = ReplayJob::of_quarantine(reason, choice, "cdp quarantine replay", Machine.now(), Machine.draw());
        let bar = progress::counting("records");
        let done = follow(&self.at, &job, |step| bar.set_position(step["replayed"].as_u64().unwrap_or_default()));
        bar.finish_and_clear();
        let done = done?;
        let of_files = done["of_files"].as_u64().unwrap_or_default();
        if of_files > 0 {
            eprintln!(
                "{of_files} more are rows of files that were read anew since, or that the settings of their source still refuse: \
                 mend the mapping, or correct these rows and drop them as a file"
            );
        }
        let mut rows = Rows::new(&["replayed", "replayed_before"]);
        rows.push([done["replayed"].clone(), done["passed_over"].clone()]);
        Ok(rows.print(self.format)?)
    }
}
