use std::path::PathBuf;

use cdp_local::{FileReport, Status};
use clap::Args;

use crate::at::At;
use crate::fault::Fault;
use crate::output::{Format, Rows};
use crate::progress;

/// Drops files into a source's folder, and tells what became of them.
///
/// While the platform runs, it takes them in; else this command does; on AWS, a function. The same content twice changes
/// nothing.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cdp drop --dir shop --source partner loyalty.csv orders.jsonl.gz\n  \
    cdp drop --aws --stage prod --source partner loyalty.csv\n\n\
    Exits with 1 when a file could not be read to its end. Refused rows are in `cdp quarantine list`.")]
pub struct Drop {
    #[command(flatten)]
    at: At,
    /// A name under [drops] in cdp.toml; may be left out for a folder where there is one only.
    #[arg(long)]
    source: Option<String>,
    /// Ends once the files are in the folder or the bucket, whether anybody takes them in now or not.
    #[arg(long)]
    no_wait: bool,
    /// CSV, JSON or Parquet, plain or compressed.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Drop {
    pub fn run(self) -> Result<(), Fault> {
        let drops = self.at.drops()?;
        let source = drops.source(self.source.as_deref())?;
        let mut reports = Vec::with_capacity(self.files.len());
        for file in &self.files {
            let dropped = drops.place(&source, file)?;
            if self.no_wait {
                eprintln!("{dropped} is in its place");
                continue;
            }
            let bar = progress::counting("rows");
            let report = dropped.follow(&bar);
            bar.finish_and_clear();
            reports.push(report?);
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
