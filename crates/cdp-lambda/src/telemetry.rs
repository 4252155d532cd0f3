//! Logs as JSON lines, and metrics in CloudWatch's embedded metric format: lines of the same log, so no request is made.

use std::io;

use metrics_cloudwatch_embedded::{Builder, Collector};
use tracing_subscriber::EnvFilter;

use crate::Vars;

const NAMESPACE: &str = "cdp";

/// What the function counts, until it is told.
pub struct Telemetry(&'static Collector);

/// Starts both. Once in a process, before anything is logged or counted.
pub fn telemetry(vars: &Vars) -> Result<Telemetry, lambda_runtime::Error> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // delta_kernel reports what it answers.
    let filter = filter.add_directive("delta_kernel=off".parse()?);
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_ansi(false)
        .with_env_filter(filter)
        .init();
    // The deployment's name is in it: two deployments of one account are told apart.
    let function = vars.get("AWS_LAMBDA_FUNCTION_NAME")?.to_owned();
    let collector = Builder::new().cloudwatch_namespace(NAMESPACE).with_dimension("FunctionName", function).init()?;
    Ok(Telemetry(collector))
}

impl Telemetry {
    /// At the end of each invocation: afterwards the process may be frozen.
    pub fn tell(&self) {
        if let Err(error) = self.0.flush(io::stdout()) {
            tracing::warn!("metrics of this invocation are lost: {error}");
        }
    }
}
