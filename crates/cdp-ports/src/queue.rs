//! Messages for a worker: SQS | memory.

use crate::PortResult;

pub trait Queue: Send + Sync {
    /// Some worker gets the message, at least once, soon.
    fn send(&self, message: &str) -> impl Future<Output = PortResult<()>> + Send;
}
