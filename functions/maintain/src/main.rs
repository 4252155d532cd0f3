//! maintain: small files become large ones, what nothing names is deleted, and shards that are gone are closed.

// The future of a round is as deep as the road is long.
#![recursion_limit = "256"]

mod handler;

use cdp_lambda::{Deadline, Surroundings, Vars, telemetry};
use lambda_runtime::{Error, LambdaEvent, service_fn};

use handler::Handler;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let vars = Vars::of_this_process();
    let telemetry = telemetry(&vars)?;
    let handler = Handler::assemble(&Surroundings::of(vars).await)?;
    let (handler, telemetry) = (&handler, &telemetry);
    lambda_runtime::run(service_fn(async |event: LambdaEvent<serde_json::Value>| {
        let outcome = handler.handle(Deadline::of(&event.context)).await;
        telemetry.tell();
        outcome
    }))
    .await
}
