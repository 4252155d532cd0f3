//! replay: rows of a table go through the stream again, as a job in the queue says. What is left of it when time is up goes
//! back to the queue.

mod asked;
mod handler;

use cdp_lambda::{Deadline, Surroundings, Vars, telemetry};
use lambda_runtime::{Error, LambdaEvent, service_fn};

use handler::Handler;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let vars = Vars::of_this_process();
    let telemetry = telemetry(&vars)?;
    let handler = Handler::assemble(Surroundings::of(vars).await)?;
    let (handler, telemetry) = (&handler, &telemetry);
    lambda_runtime::run(service_fn(async |LambdaEvent { payload, context }| {
        let outcome = handler.handle(&payload, Deadline::of(&context)).await;
        telemetry.tell();
        outcome.map_err(Error::from)
    }))
    .await
}
