use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cdp_local::{FileReport, Status, check_droppable};
use clap::Args;

use crate::at::At;
use crate::drops::Dropped;
use crate::fault::Fault;
use crate::output::{Format, Rows, harmless};
use crate::progress::Reading;

/// Drops files into a source's folder, and tells what became of them.
///
/// While the platform runs, it takes them in; else this command does; on AWS, a function. All are put in their place first,
/// then each is waited for. The same content twice changes nothing.
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
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Drop {
    pub fn run(self) -> Result<(), Fault> {
        let drops = self.at.drops()?;
        let source = drops.source(self.source.as_deref())?;
        // All, before the first one is put.
        self.files.iter().try_for_each(|file| check_droppable(file))?;
        let (placed, not_placed) = whole(self.files.iter().map(|file| Ok((drops.place(&source, file)?, file))));
        if self.no_wait {
            placed.iter().for_each(|(dropped, _)| eprintln!("{dropped} is in its place"));
            return not_placed.map_or(Ok(()), Err);
        }
        let (reports, not_over) = whole(placed.iter().map(|(dropped, file)| follow(dropped.as_ref(), file)));
        if !reports.is_empty() {
            print(&reports, self.format)?;
        }
        if let Some(fault) = not_placed.or(not_over) {
            return Err(fault);
        }
        let is_unread =
            |report: &FileReport| matches!(report.status, Status::Truncated | Status::Refused | Status::GivenUp);
        // Each was told already.
        if reports.iter().any(is_unread) { Err(Fault::no("")) } else { Ok(()) }
    }
}

/// Those that are whole, and the first fault. Each later one is told at once.
fn whole<T>(outcomes: impl Iterator<Item = Result<T, Fault>>) -> (Vec<T>, Option<Fault>) {
    let (mut done, mut first) = (vec![], None);
    for outcome in outcomes {
        match outcome {
            Ok(one) => done.push(one),
            Err(fault) if first.is_none() => first = Some(fault),
            Err(fault) => {
                fault.report();
            }
        }
    }
    (done, first)
}

/// Until it is taken in; what is to be said of it beside its row is told on stderr at once.
fn follow(dropped: &dyn Dropped, file: &Path) -> Result<FileReport, Fault> {
    let bar = Reading::of(&file.file_name().unwrap_or_default().to_string_lossy());
    let report = dropped.follow(&bar);
    bar.finish();
    let report = report?;
    let FileReport { file, detail, .. } = &report;
    let detail = detail.as_deref().unwrap_or_default();
    if dropped.earlier() == Some(&report) {
        let finished = report.finished.as_deref().unwrap_or_default();
        eprintln!("cdp: {file}: this file was dropped before, nothing is changed; its report is of {finished}");
    }
    match report.status {
        Status::Truncated | Status::Refused | Status::GivenUp => {
            eprintln!("cdp: {}", harmless(format!("{file}: {detail}")));
        }
        Status::AlreadyTaken => {
            eprintln!("cdp: {}", harmless(format!("{file}: its content was taken before, {detail}")));
        }
        Status::Done | Status::Running => {}
    }
    Ok(report)
}

fn print(reports: &[FileReport], format: Format) -> Result<(), Fault> {
    if format == Format::Json {
        writeln!(io::stdout(), "{}", serde_json::to_string_pretty(reports).map_err(Fault::unavailable)?)?;
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
