//! ingest: batches of the stream, into profiles and files. The use case is `cdp-app`'s; see functions/README.md.

// The future of a batch is as deep as the road is long.
#![recursion_limit = "256"]

mod batch;
mod handler;

use cdp_lambda::{Deadline, Surroundings, Vars, telemetry};
use lambda_runtime::{Error, LambdaEvent, service_fn};

use handler::Handler;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let vars = Vars::of_this_process();
    let telemetry = telemetry(&vars)?;
    let surroundings = Surroundings::of(vars).await;
    let handler = Handler::assemble(&surroundings)?;
    let (handler, telemetry) = (&handler, &telemetry);
    lambda_runtime::run(service_fn(async |LambdaEvent { payload, context }| {
        let outcome = handler.handle(payload, Deadline::of(&context)).await;
        telemetry.tell();
        Ok::<_, Error>(outcome)
    }))
    .await
}
