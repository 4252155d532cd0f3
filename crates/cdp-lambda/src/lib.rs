//! Where the functions run: the settings that the stack gives them, the adapters that those name, logs and metrics. All of
//! it is read and made before the first event, so that a wrong setting stops the start.

mod vars;

mod surroundings;

mod deadline;
mod telemetry;

mod http;

pub use deadline::Deadline;
pub use http::serve;
pub use surroundings::{StartError, Surroundings};
pub use telemetry::{Telemetry, telemetry};
pub use vars::{Unset, Vars};
