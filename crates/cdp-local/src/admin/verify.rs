//! The proof, as JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use cdp_api::ProofView;
use cdp_app::Verify;

use super::NotDone;
use crate::platform::Platform;

pub async fn verify(State(platform): State<Arc<Platform>>) -> Result<Response, NotDone> {
    let verify = Verify {
        state: &platform.ingest.state,
        records: &*platform.log,
        tables: &*platform.query,
        running: platform.is_running(),
    };
    let proof = verify.verify().await.map_err(NotDone::failed)?;
    Ok(Json(ProofView::from(&proof)).into_response())
}
