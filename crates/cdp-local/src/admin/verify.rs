//! The proof, as JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cdp_app::Verify;
use serde_json::{Value, json};

use super::NotDone;
use crate::facts::SqlFacts;
use crate::platform::Platform;

pub async fn verify(State(platform): State<Arc<Platform>>) -> Result<Json<Value>, NotDone> {
    let verify = Verify {
        state: &platform.ingest.state,
        records: &*platform.log,
        tables: &SqlFacts(&platform.query),
        running: platform.is_running(),
    };
    let proof = verify.verify().await.map_err(NotDone::failed)?;
    let checks = proof.checks.iter().map(|check| {
        json!({
            "name": check.name,
            "holds": check.holds,
            "expected": check.expected,
            "found": check.found,
            "examples": check.examples,
        })
    });
    Ok(Json(json!({
        "holds": proof.holds(),
        "at_rest": proof.at_rest,
        "profiles_in_flight": proof.profiles_in_flight,
        "checks": checks.collect::<Vec<_>>(),
    })))
}
