//! The drop folders: a file that nobody writes any more is taken in, one file after the other.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use cdp_drops::{BatchLimits, DropSource, FileReport, Intake, IntakeError, LocalFile, Stamp, Watch};
use cdp_ports::Clock;
use futures::executor::block_on;

use super::fate::{Backoff, Fate};
use super::measure;
use super::signals::{Bell, Stop};
use crate::platform::Platform;

/// How often the folders are looked into.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A file is still when it did not change for so long.
const SETTLE: Duration = Duration::from_secs(2);

pub struct DropWatcher<'p> {
    pub platform: &'p Platform,
    pub stop: &'p Stop,
    /// Rung when files wait for a commit.
    pub landed: &'p Bell,
}

impl DropWatcher<'_> {
    /// Until the stop is asked for; a file in hand is left after its batch, and gone on with at the next start.
    pub fn run(&self) -> Result<(), IntakeError> {
        let mut watch = Watch::new(SETTLE);
        let mut backoff = Backoff::default();
        while !self.stop.is_asked() {
            for (name, settings) in &self.platform.deployment.config.settings.drops {
                self.look_into(DropSource { name, settings }, &mut watch, &mut backoff)?;
            }
            self.stop.sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    fn look_into(&self, source: DropSource<'_>, watch: &mut Watch, backoff: &mut Backoff) -> Result<(), IntakeError> {
        let folder = self.platform.deployment.drop_folder(source.name);
        let files = match watch.scan_once(&folder, self.platform.ingest.clock.now()) {
            Ok(files) => files,
            Err(error) => {
                tracing::warn!("{}: the folder can't be read, files in it wait: {error}", folder.display());
                return Ok(());
            }
        };
        for path in files {
            if self.stop.is_asked() {
                return Ok(());
            }
            let Err(error) = self.take_in(source, &path) else {
                backoff.reset();
                continue;
            };
            match fate(&error) {
                FileFate::Of(Fate::StopProcess) => return Err(error),
                FileFate::Of(Fate::TryAgain) => {
                    watch.look_again(&path);
                    tracing::warn!("a file is gone on with after a fault: {error}");
                    self.stop.sleep(backoff.next());
                }
                FileFate::WaitsForAChange => {
                    tracing::warn!("the file is looked at again when it changes: {error}");
                    self.give_up(source, &path, &error);
                }
            }
        }
        Ok(())
    }

    /// Until it changes. One that is gone needs no report.
    fn give_up(&self, source: DropSource<'_>, path: &Path, error: &IntakeError) {
        let Ok(stamp) = Stamp::at(path) else { return };
        let before = FileReport::read(path).filter(|report| report.tells_of(&stamp));
        if before.as_ref().is_some_and(FileReport::is_final) {
            return;
        }
        let (name, now) = (path.file_name().unwrap_or_default().to_string_lossy(), self.platform.ingest.clock.now());
        let before = before.unwrap_or_else(|| FileReport::of_unread(&name, source.name, &stamp, now));
        let why = format!("{}; it is looked at again when it changes", error.for_the_sender());
        if let Err(error) = before.given_up(why, now).put(path) {
            tracing::warn!("{} has no report: {error}", path.display());
        }
    }

    fn take_in(&self, source: DropSource<'_>, path: &Path) -> Result<(), IntakeError> {
        let intake = Intake { ingest: &self.platform.ingest, limits: BatchLimits::default() };
        let mut began = Instant::now();
        let report = block_on(intake.take_in(source, &LocalFile::open(path)?, &mut |progress| {
            measure::batch(progress.partition, progress.batch, began.elapsed());
            began = Instant::now();
            self.landed.ring();
            if self.stop.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }))?;
        measure::file(source.name, &report);
        Ok(())
    }
}

enum FileFate {
    Of(Fate),
    /// Nothing can be done for this file; the others go on.
    WaitsForAChange,
}

fn fate(error: &IntakeError) -> FileFate {
    match error {
        IntakeError::Io { .. } | IntakeError::Gone(_) => FileFate::WaitsForAChange,
        IntakeError::Changed(_) => FileFate::Of(Fate::TryAgain),
        IntakeError::Ingest(error) => FileFate::Of(Fate::of(error)),
        IntakeError::Place(error) | IntakeError::Port(error) => FileFate::Of(Fate::of_kind(error.kind)),
        IntakeError::Stored(_) => FileFate::Of(Fate::StopProcess),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use cdp_drops::Status;

    use super::*;
    use crate::deployment::{Deployment, init};
    use crate::platform::COMMAND_BYTES;

    #[test]
    fn a_file_that_can_not_be_read_has_a_report_until_it_can() {
        let dir = tempfile::tempdir().expect("a folder");
        init(dir.path()).expect("an empty folder");
        let platform = Platform::open(Deployment::open(dir.path()).expect("sound"), COMMAND_BYTES).expect("it opens");
        let (stop, landed) = (Stop::default(), Bell::default());
        let watcher = DropWatcher { platform: &platform, stop: &stop, landed: &landed };
        let (name, settings) = platform.deployment.config.settings.drops.first_key_value().expect("init names one");
        let source = DropSource { name, settings };
        let path = platform.deployment.drop_folder(name).join("people.csv");
        let told = || FileReport::read(&path).map(|report| (report.status, report.rows, report.detail));
        let locked = |path: &Path| IntakeError::Io {
            place: path.display().to_string(),
            source: io::Error::from(io::ErrorKind::PermissionDenied),
        };

        watcher.give_up(source, &path, &locked(&path));
        assert_eq!(told(), None, "it is gone");
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, "user_id\nu1\n").expect("written");
        watcher.give_up(source, &path, &locked(&path));
        let why = "it could not be read (permission denied); it is looked at again when it changes";
        assert_eq!(told(), Some((Status::GivenUp, 0, Some(why.to_owned()))));
        for _ in 0..2 {
            watcher.take_in(source, &path).expect("it is mended");
            assert_eq!(told(), Some((Status::Done, 1, None)));
            // What is done stays done, whoever may read it now.
            watcher.give_up(source, &path, &locked(&path));
        }
    }
}
