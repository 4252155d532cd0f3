//! A replay, a step at a time: whoever asks sees how far it is, and goes on by asking again.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adapter_delta::{DeltaError, DeltaLake, DeltaReader};
use axum::Json;
use axum::extract::State;
use cdp_api::ReplayView;
use cdp_app::{Progress, RefusedRow, Replay, ReplayError, ReplayJob, What};
use cdp_ports::{Clock, FaultKind};
use futures::executor::block_on;

use super::NotDone;
use crate::platform::Platform;

/// A step ends behind the chunk in hand.
const STEP: Duration = Duration::from_secs(1);

pub async fn replay(State(platform): State<Arc<Platform>>, job: String) -> Result<Json<ReplayView>, NotDone> {
    let job = ReplayJob::parse(&job).map_err(|error| NotDone::wrong(error.to_string()))?;
    // Files are read and decoded, and the log waits for the disk: other requests go on meanwhile.
    let step = tokio::task::spawn_blocking(move || step(&platform, job));
    Ok(Json(step.await.map_err(NotDone::failed)??))
}

fn step(platform: &Platform, mut job: ReplayJob) -> Result<ReplayView, NotDone> {
    if let What::Events { lake } = &mut job.what {
        *lake = whole(Path::new(lake))?;
    }
    let own = whole(&platform.deployment.lake())?;
    let place = job.lake(&own)?;
    let lake = if place == own { Arc::clone(&platform.ingest.lake) } else { open(place)? };
    let reader = DeltaReader::of(lake);
    let config = &platform.deployment.config;
    let remap = |row: &RefusedRow<'_>| config.settings.again(&config.webhooks, row);
    let (state, stream) = (&platform.ingest.state, &*platform.log);
    let replay = Replay { state, stream, lake: &reader, remap: &remap };
    let done_before = block_on(Progress::load(state, &job.id))?.is_some_and(|progress| progress.done);
    let began = Instant::now();
    let progress = block_on(replay.run(&job, || platform.ingest.clock.now(), || began.elapsed() < STEP))?;
    Ok(ReplayView::from(&progress).done_before(done_before))
}

/// One name for each folder, whatever leads there.
fn whole(folder: &Path) -> Result<String, NotDone> {
    let whole = folder.canonicalize().map_err(|error| NotDone::wrong(format!("{}: {error}", folder.display())))?;
    Ok(whole.to_string_lossy().into_owned())
}

fn open(place: &str) -> Result<Arc<DeltaLake>, NotDone> {
    match DeltaLake::open_existing(Path::new(place)) {
        Ok(lake) => Ok(Arc::new(lake)),
        Err(error @ DeltaError::NoTable(_)) => Err(NotDone::wrong(format!("{place} is no lake: {error}"))),
        Err(error) => Err(NotDone::failed(error)),
    }
}

impl From<ReplayError> for NotDone {
    fn from(error: ReplayError) -> Self {
        match &error {
            ReplayError::OwnLake(_) | ReplayError::OtherJob(_) => Self::wrong(error.to_string()),
            ReplayError::Port(fault) => match fault.kind {
                FaultKind::Busy => Self::busy(error),
                FaultKind::Stale => Self::busy("another process works on the same replay; wait until it is done"),
                FaultKind::Missing | FaultKind::Refused | FaultKind::Broken => Self::failed(error),
            },
            ReplayError::Stored(_) => Self::failed(error),
        }
    }
}
