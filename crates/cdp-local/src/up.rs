//! `cdp up`: the whole platform in one process.
//!
//! ```text
//! HTTP front (tokio) ──> log ──> a thread for each shard ──> profiles, files ──> the table committer ──> tables
//! drops/SOURCE/ ─────────────> the drops thread ───────────────┘
//! ```
//!
//! A thread that can't go on stops the process, so that somebody looks. All of it may be killed at any moment: the next
//! start goes on from the checkpoints.

mod fate;
mod signals;

mod commits;
mod drops;
mod measure;
mod shard;
mod trim;
mod upkeep;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use cdp_ports::Stream;
use futures::executor::block_on;
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use self::commits::TableCommitter;
use self::drops::DropWatcher;
use self::shard::ShardWorker;
use self::signals::{Bell, Stop};
use self::trim::LogTrimmer;
use self::upkeep::TableKeeper;
use crate::deployment::{Deployment, DeploymentError, Lock};
use crate::front::Front;
use crate::platform::{OpenError, Platform, SERVING_BYTES};

/// How long requests that have begun may take once the stop was asked for.
const LAST_REQUESTS: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
pub enum UpError {
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("can't listen on {address}: {source}; choose another address with --listen")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("the process can't be set up: {0}")]
    Process(std::io::Error),
    #[error("metrics can't be set up: {0}")]
    Metrics(String),
    #[error("the stream can't be opened: {0}")]
    Stream(cdp_ports::PortError),
    /// The platform stopped by itself. What was taken in is safe; the next start goes on from the checkpoints.
    #[error("{thread} can't go on: {cause}")]
    Stopped { thread: String, cause: String },
}

/// Runs the deployment in `dir` until SIGINT or SIGTERM. Calls `ready` with the address once it takes requests.
pub fn up(dir: &Path, listen: SocketAddr, ready: impl FnOnce(SocketAddr)) -> Result<(), UpError> {
    let deployment = Deployment::open(dir)?;
    let mut lock = Lock::take(dir)?;
    let runtime = runtime::Builder::new_multi_thread().enable_all().build().map_err(UpError::Process)?;
    let _inside = runtime.enter();
    let metrics = cdp_api::Metrics::install().map_err(|error| UpError::Metrics(error.to_string()))?;
    let platform = Arc::new(Platform::open(deployment, SERVING_BYTES)?);
    let front = Front::assemble(&platform, metrics)?;
    let (listener, address) = bind(&runtime, listen)?;
    lock.announce(address)?;
    run(&platform, front, &runtime, listener, || ready(address))
}

fn bind(runtime: &Runtime, listen: SocketAddr) -> Result<(TcpListener, SocketAddr), UpError> {
    let fault = |source| UpError::Listen { address: listen, source };
    let listener = runtime.block_on(TcpListener::bind(listen)).map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    Ok((listener, address))
}

fn run(
    platform: &Platform,
    front: Front,
    runtime: &Runtime,
    listener: TcpListener,
    ready: impl FnOnce(),
) -> Result<(), UpError> {
    let shards = block_on(platform.log.partitions()).map_err(UpError::Stream)?;
    let limits = platform.deployment.config.settings.ingest_limits();
    let (stop, all_landed) = (Arc::new(Stop::default()), Stop::default());
    let landed = Bell::default();

    thread::scope(|scope| {
        let mut crew = Crew { scope, stop: &stop, handles: vec![] };
        let committer = TableCommitter { platform, stop: &all_landed, landed: &landed };
        let committer = crew.watched("commits", move || committer.run().map_err(|error| error.to_string()));
        for shard in shards {
            let name = format!("shard {shard}");
            let worker = ShardWorker { platform, shard, limits, stop: &stop, landed: &landed };
            crew.work(name, move || worker.run().map_err(|error| error.to_string()));
        }
        if !platform.deployment.config.settings.drops.is_empty() {
            let watcher = DropWatcher { platform, stop: &stop, landed: &landed };
            crew.work("drops".to_owned(), move || watcher.run().map_err(|error| error.to_string()));
        }
        let trimmer = LogTrimmer { platform, stop: &stop };
        crew.work("log trimming".to_owned(), move || trimmer.run().map_err(|error| error.to_string()));
        let keeper = TableKeeper { platform, stop: &stop };
        crew.work("upkeep".to_owned(), move || {
            keeper.run();
            Ok(())
        });

        let api = Arc::clone(&front.api);
        let asked = Arc::clone(&stop);
        let server = axum::serve(listener, front.router).with_graceful_shutdown(async move { asked.asked().await });
        let server = runtime.spawn(server.into_future());
        platform.runs();
        api.set_ready(true);
        ready();
        runtime.block_on(until_asked(&stop));
        api.set_ready(false);
        stop.ask();
        // A connection that stays open beyond this is cut: what it was answered is durable.
        let _ = runtime.block_on(tokio::time::timeout(LAST_REQUESTS, server));

        let outcome = crew.join();
        all_landed.ask();
        landed.ring();
        outcome.and(joined("commits", committer))
    })
}

async fn until_asked(stop: &Stop) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::warn!("signals can't be heard: end the process by force, nothing is lost");
        return stop.asked().await;
    };
    tokio::select! {
        _ = interrupt.recv() => tracing::info!("stopping"),
        _ = terminate.recv() => tracing::info!("stopping"),
        () = stop.asked() => {}
    }
}

/// What each thread of the process came to: its name is told with its fault.
type Outcome = Result<(), String>;

struct Crew<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    stop: &'scope Stop,
    handles: Vec<(String, ScopedJoinHandle<'scope, Outcome>)>,
}

impl<'scope> Crew<'scope, '_> {
    fn work(&mut self, name: String, run: impl FnOnce() -> Outcome + Send + 'scope) {
        let handle = self.watched(&name, run);
        self.handles.push((name, handle));
    }

    /// A thread whose end, however it comes, is the process's end.
    fn watched(&self, name: &str, run: impl FnOnce() -> Outcome + Send + 'scope) -> ScopedJoinHandle<'scope, Outcome> {
        let (stop, name) = (self.stop, name.to_owned());
        self.scope.spawn(move || {
            let _at_the_end = AskAtTheEnd(stop);
            let outcome = run();
            if let Err(cause) = &outcome {
                tracing::error!("{name} can't go on: {cause}");
            }
            outcome
        })
    }

    fn join(self) -> Result<(), UpError> {
        let outcomes: Vec<_> = self.handles.into_iter().map(|(name, handle)| joined(&name, handle)).collect();
        outcomes.into_iter().collect()
    }
}

struct AskAtTheEnd<'s>(&'s Stop);

impl Drop for AskAtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.ask();
    }
}

fn joined(thread: &str, handle: ScopedJoinHandle<'_, Outcome>) -> Result<(), UpError> {
    let outcome = handle.join().unwrap_or_else(|_| Err("it panicked; its output says where".to_owned()));
    outcome.map_err(|cause| UpError::Stopped { thread: thread.to_owned(), cause })
}
