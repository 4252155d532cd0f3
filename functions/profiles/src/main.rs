//! profiles: lookups, from the HTTP API to State, and for a person's past events to Athena. The routes and rules are those of
//! `cdp-api`.

use std::sync::Arc;

use adapter_athena::AthenaWarehouse;
use adapter_machine::Machine;
use axum::Router;
use cdp_api::profiles::{Profiles, WarehouseHistory};
use cdp_lambda::{Surroundings, Vars, serve, telemetry};
use cdp_ports::Clock;
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
    let clock: Arc<dyn Clock> = Arc::new(Machine);
    let (workgroup, database) = (surroundings.var("CDP_WORKGROUP")?, surroundings.var("CDP_DATABASE")?);
    let history = WarehouseHistory::new(AthenaWarehouse::new(surroundings.aws(), workgroup, database));
    let profiles = Profiles::new(config.secrets.tokens(), Arc::new(surroundings.state()?), &clock)?;
    let profiles = profiles.with_history(Arc::new(history));
    Ok(cdp_api::profiles_router(profiles, Arc::new(Machine)))
}
