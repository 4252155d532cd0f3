//! Partitions that are over: their records can't be delivered any more, so nobody has to be ready for them.

use cdp_event::PartitionId;
use cdp_ports::State;

use crate::IngestError;
use crate::checkpoint::{self, Checkpoint, Checkpoints};

/// Closes the checkpoints of those of `open` that are over. Answers which those were. One that somebody still works on stays
/// open, and is asked about again. `open` was read before it was found out what is over: what has begun since is not.
pub async fn retire(
    state: &impl State,
    open: &Checkpoints,
    is_over: impl Fn(&PartitionId) -> bool,
) -> Result<Vec<PartitionId>, IngestError> {
    let mut closed = Vec::new();
    for (partition, _) in open.iter().filter(|(partition, _)| is_over(partition)) {
        let Some((version, checkpoint)) = checkpoint::load_versioned(state, partition).await? else { continue };
        match checkpoint::put(state, partition, &Checkpoint { closed: true, ..checkpoint }, version).await {
            Ok(()) => closed.push(partition.clone()),
            Err(error) if error.is_stale() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(closed)
}
