use std::path::{Path, PathBuf};
use std::time::Duration;

use cdp_local::{Deployment, FileReport, Running, Status, take_in};
use clap::Args;
use indicatif::ProgressBar;

use super::Dir;
use crate::fault::Fault;
use crate::output::{Format, Rows};
use crate::progress;

/// Drops files into a source's folder, and tells what became of them.
///
/// While the platform runs, it takes them in; else this command does. The same content twice changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cdp drop --dir shop --source partner loyalty.csv orders.jsonl.gz\n\n\
    Exits with 1 when a file could not be read to its end. Refused rows are in `cdp quarantine list`.")]
pub struct Drop {
    #[command(flatten)]
    at: Dir,
    /// A name under [drops] in cdp.toml; may be left out where there is one only.
    #[arg(long)]
    source: Option<String>,
    /// Ends once the files are in the folder, with the platform running or not.
    #[arg(long)]
    no_wait: bool,
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How often a running platform's report is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

impl Drop {
    pub fn run(self) -> Result<(), Fault> {
        let deployment = Deployment::open(&self.at.dir)?;
        let source = deployment.drop_source(self.source.as_deref())?;
        let mut reports = Vec::with_capacity(self.files.len());
        for file in &self.files {
            let place = deployment.place(&source, file)?;
            if self.no_wait {
                eprintln!("{} is in the folder", place.display());
                continue;
            }
            reports.push(self.follow(&source, &place)?);
        }
        if self.no_wait {
            return Ok(());
        }
        print(&reports, self.format)?;
        let unread = reports.iter().find(|report| matches!(report.status, Status::Truncated | Status::Refused));
        match unread {
            Some(report) => {
                Err(Fault::no(format!("{}: {}", report.file, report.detail.as_deref().unwrap_or_default())))
            }
            None => Ok(()),
        }
    }

    fn follow(&self, source: &str, place: &Path) -> Result<FileReport, Fault> {
        let bar = progress::counting("rows");
        let report = match Running::find(&self.at.dir) {
            Some(_) => self.wait(place, &bar),
            None => Ok(take_in(&self.at.dir, source, place, |report| bar.set_position(report.rows))?),
        };
        bar.finish_and_clear();
        report
    }

    fn wait(&self, place: &Path, bar: &ProgressBar) -> Result<FileReport, Fault> {
        loop {
            match FileReport::read(place) {
                Some(report) if report.status != Status::Running => return Ok(report),
                Some(report) => bar.set_position(report.rows),
                None => {}
            }
            if Running::find(&self.at.dir).is_none() {
                let what = format!("the platform stopped before it had taken in {}", place.display());
                return Err(Fault::unavailable(format!("{what}; it goes on when it is started again")));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

fn print(reports: &[FileReport], format: Format) -> Result<(), Fault> {
    if format == Format::Json {
        println!("{}", serde_json::to_string_pretty(reports).map_err(Fault::unavailable)?);
        return Ok(());
    }
    let mut rows = Rows::new(&["file", "status", "rows", "events", "taken", "duplicates", "refused", "reasons"]);
    for report in reports {
        let reasons: Vec<String> =
            report.refused_by_reason.iter().map(|(reason, rows)| format!("{rows} {reason}")).collect();
        rows.push([
            report.file.as_str().into(),
            report.status.as_str().into(),
            report.rows.into(),
            report.events.into(),
            report.taken.into(),
            report.duplicates.into(),
            report.refused.into(),
            reasons.join("\n").into(),
        ]);
    }
    Ok(rows.print(format)?)
}
