//! collect: producers' calls, from the HTTP API to the stream. The routes and rules are those of `cdp-api`.

use std::sync::Arc;

use adapter_machine::Machine;
use axum::Router;
use cdp_api::{Api, Metrics, Outside};
use cdp_lambda::{Surroundings, Vars, serve, telemetry};
use lambda_http::Error;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let vars = Vars::of_this_process();
    let telemetry = telemetry(&vars)?;
    let router = assemble(&Surroundings::of(vars).await).await?;
    serve(router, &telemetry).await
}

async fn assemble(surroundings: &Surroundings) -> Result<Router, Error> {
    let config = surroundings.config().await?;
    let outside =
        Outside { stream: Arc::new(surroundings.stream()?), clock: Arc::new(Machine), chance: Arc::new(Machine) };
    let api = Api::new(config.api(), outside, Metrics::detached())?;
    Ok(cdp_api::tracking_router(&Arc::new(api)))
}
