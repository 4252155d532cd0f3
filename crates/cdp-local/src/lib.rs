//! The platform on one machine: a folder describes it, one process runs it.

mod deployment;

mod log;
mod platform;

mod admin;
mod front;

mod up;

mod door;
mod dropped;

pub use cdp_drops::{FileReport, NotDroppable, Status, check_droppable};
pub use cdp_query::{Query, QueryError};
pub use deployment::{Created, Deployment, DeploymentError, Running, init};
pub use door::{Answer, Door, DoorError};
pub use dropped::{DropError, Placed, take_in};
pub use platform::{OpenError, SERVING_BYTES};
pub use up::{UpError, up};
