//! The part of the HTTP API that commands ask, answered in this process: profiles from State, and the proof. What is refused to
//! the caller's own role is refused here; the deployment's tokens are not asked for.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use adapter_machine::Machine;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use cdp_api::profiles::{self, Profiles, Scope, Token};
use cdp_api::{ProofView, ReplayView, Secret};
use cdp_app::{NotAJob, Progress, RecordCount, ReplayError, ReplayJob, Verification, Verify, VerifyError};
use cdp_event::{PartitionId, Sequence};
use cdp_ports::{Chance, Clock, PortError, PortResult, Queue};
use serde_json::json;

use crate::{Remote, RemoteError};

pub struct Front {
    pub router: Router,
    /// What the routes let in. Nobody else knows it.
    pub token: String,
}

impl Front {
    pub fn assemble(remote: &Remote) -> Result<Self, RemoteError> {
        let token = format!("{:016x}{:016x}", Machine.draw(), Machine.draw());
        let known = Token {
            name: "this command".to_owned(),
            token: Secret::new(&token),
            scopes: vec![Scope::ProfilesRead],
            // A command asks once.
            requests_per_second: NonZeroU32::MIN,
        };
        let clock: Arc<dyn Clock> = Arc::new(Machine);
        let profiles = Profiles::new(vec![known], Arc::new(remote.state()?), &clock)?;
        let verify = Router::new().route("/v1/admin/verify", post(verify)).with_state(remote.clone());
        let replays = Arc::new(Replays { remote: remote.clone(), asked: Mutex::default() });
        let replay = Router::new().route("/v1/admin/replay", post(replay)).with_state(replays);
        Ok(Self { router: verify.merge(replay).merge(profiles::routes(Arc::new(profiles))), token })
    }
}

async fn verify(State(remote): State<Remote>) -> Response {
    match prove(&remote).await {
        Ok(proof) => Json(ProofView::from(&proof)).into_response(),
        Err(error) => {
            let told = json!({ "code": "failed", "message": error.to_string() });
            (StatusCode::INTERNAL_SERVER_ERROR, Json(told)).into_response()
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum NotProved {
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

/// The functions are always there, so what waits for a commit does not wait long.
async fn prove(remote: &Remote) -> Result<Verification, NotProved> {
    let (state, tables) = (remote.state()?, remote.query()?);
    Ok(Verify { state: &state, records: &Uncounted, tables: &tables, running: true }.verify().await?)
}

/// Jobs that this command has put into the queue.
struct Replays {
    remote: Remote,
    asked: Mutex<BTreeMap<String, Instant>>,
}

const LOOKED_AT_EVERY: Duration = Duration::from_secs(1);
/// A job that is sound is begun at once, unless as many others are at work as may be.
const BEGUN_WITHIN: Duration = Duration::from_secs(3 * 60);

/// The function does the work; here it is asked for once, and looked at.
async fn replay(State(replays): State<Arc<Replays>>, job: String) -> Response {
    match replays.step(&job).await {
        Ok(view) => Json(view).into_response(),
        Err(error) => {
            let is_ours = matches!(
                error,
                NotReplayed::NotAJob(_)
                    | NotReplayed::Replay(ReplayError::OwnLake(_))
                    | NotReplayed::Remote(RemoteError::NotALake(_))
            );
            let status = if is_ours { StatusCode::BAD_REQUEST } else { StatusCode::INTERNAL_SERVER_ERROR };
            (status, Json(json!({ "code": "failed", "message": error.to_string() }))).into_response()
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum NotReplayed {
    #[error(transparent)]
    NotAJob(#[from] NotAJob),
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(
        "the function `replay` has not begun {0}; its log says why, and a job that it can't read is in its dead letters"
    )]
    NotBegun(String),
}

impl Replays {
    async fn step(&self, text: &str) -> Result<ReplayView, NotReplayed> {
        let job = ReplayJob::parse(text)?;
        let own = self.remote.lake()?;
        let lake = job.lake(&own)?;
        let state = self.remote.state()?;
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).get(&job.id).copied();
        if asked.is_none() {
            if lake != own {
                self.remote.check_lake(lake)?;
            }
            if let Some(done) = Progress::load(&state, &job.id).await?.filter(|progress| progress.done) {
                return Ok(ReplayView::from(&done).done_before(true));
            }
            self.remote.replays()?.send(text).await?;
            self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(job.id.clone(), Instant::now());
        }
        tokio::time::sleep(LOOKED_AT_EVERY).await;
        let progress = Progress::load(&state, &job.id).await?;
        match progress {
            Some(progress) => Ok(ReplayView::from(&progress)),
            None if asked.is_some_and(|asked| asked.elapsed() > BEGUN_WITHIN) => Err(NotReplayed::NotBegun(job.id)),
            None => Ok(ReplayView::waiting(&job)),
        }
    }
}

/// Sequence numbers of Kinesis have gaps, and old records are not kept: no shard can tell how many there were.
struct Uncounted;

impl RecordCount for Uncounted {
    async fn records_up_to(&self, _: &PartitionId, _: Sequence) -> PortResult<Option<u64>> {
        Ok(None)
    }
}
