//! drops: a file that was put into the drop bucket, taken in. The use case is `cdp-drops`'; see functions/README.md.

// The future of a file is as deep as the road is long.
#![recursion_limit = "256"]

mod handler;
mod woken;

use cdp_lambda::{Deadline, Surroundings, Vars, telemetry};
use lambda_runtime::{Error, LambdaEvent, service_fn};

use handler::Handler;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let vars = Vars::of_this_process();
    let telemetry = telemetry(&vars)?;
    let handler = Handler::assemble(&Surroundings::of(vars).await)?;
    let (handler, telemetry) = (&handler, &telemetry);
    lambda_runtime::run(service_fn(async |LambdaEvent { payload, context }| {
        let outcome = handler.handle(&payload, Deadline::of(&context)).await;
        telemetry.tell();
        outcome.map_err(Error::from)
    }))
    .await
}
