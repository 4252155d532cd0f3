//! The log is given back to the disk: what was taken in, and is older than the retention.

use std::time::Duration;

use cdp_app::{Checkpoints, IngestError};
use cdp_ports::{Clock, Stream};
use futures::executor::block_on;

use super::signals::Stop;
use crate::platform::Platform;

const LOOK_EVERY: Duration = Duration::from_secs(60);
const HOUR_MS: i64 = 3_600_000;

pub struct LogTrimmer<'p> {
    pub platform: &'p Platform,
    pub stop: &'p Stop,
}

impl LogTrimmer<'_> {
    pub fn run(&self) -> Result<(), IngestError> {
        while !self.stop.sleep(LOOK_EVERY) {
            if let Err(error) = self.trim() {
                tracing::warn!("the log is trimmed later: {error}");
            }
        }
        Ok(())
    }

    fn trim(&self) -> Result<(), IngestError> {
        let Platform { ingest, log, deployment, .. } = self.platform;
        let hours = i64::from(deployment.config.settings.retention.stream_hours);
        let older_than = ingest.clock.now().plus_ms(-hours * HOUR_MS);
        let shards = block_on(log.partitions())?;
        let mut open = Checkpoints::default();
        block_on(open.refresh(&ingest.state))?;
        for (partition, checkpoint) in open.iter().filter(|(partition, _)| shards.contains(partition)) {
            let Some(done) = checkpoint.done else { continue };
            let records = log.trim(partition, done, older_than)?;
            if records > 0 {
                tracing::info!(records, "{records} records of {partition} were trimmed");
            }
        }
        Ok(())
    }
}
