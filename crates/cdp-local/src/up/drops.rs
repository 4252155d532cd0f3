//! The drop folders: a file that nobody writes any more is taken in, one file after the other.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use cdp_drops::{BatchLimits, DropSource, Intake, IntakeError, LocalFile, Watch};
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
                FileFate::WaitsForAChange => tracing::warn!("the file is looked at again when it changes: {error}"),
            }
        }
        Ok(())
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
        IntakeError::Port(error) => FileFate::Of(Fate::of_kind(error.kind)),
        IntakeError::Stored(_) => FileFate::Of(Fate::StopProcess),
    }
}
