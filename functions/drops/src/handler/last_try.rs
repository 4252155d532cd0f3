//! What stands beside a file after its last try. Nobody comes back to it by themselves then, so whoever sent it has to find
//! it there, whatever ended the try.

use cdp_drops::{DropBox, FileReport};
use cdp_lambda::Deadline;
use cdp_ports::{Chance, Clock, Landing, PortResult, Queue, State};

use super::{HandleError, Handler};
use crate::woken::Put;

/// For whoever sent the file.
const REMEDY: &str = "what was taken in of it stays. Whoever runs the platform is told, and has it gone on with once the cause \
                      is mended: another report takes this one's place then. Putting the file once more does the same";

impl<S: State, L: Landing, C: Clock + Chance, D: DropBox, Q: Queue> Handler<S, L, C, D, Q> {
    /// Before the last try, which may be killed before it can tell anything.
    pub(super) async fn announce_last_try(&self, file: &Put, deadline: Deadline) {
        let now = self.ingest.clock.now();
        let ends = now.plus_ms(deadline.left().as_millis().try_into().unwrap_or(i64::MAX));
        let detail = format!(
            "this is the last of {} tries. If this stands here after {ends}, the file is given up: {REMEDY}",
            self.tries
        );
        self.tell(file, |before| before.under_way(detail)).await;
    }

    pub(super) async fn give_up(&self, file: &Put, error: &HandleError) {
        let why = format!("given up after {} tries: {}; {REMEDY}", self.tries, error.for_the_sender());
        let now = self.ingest.clock.now();
        self.tell(file, |before| before.given_up(why, now)).await;
    }

    /// A report that can't be put changes nothing about the try.
    async fn tell(&self, file: &Put, report: impl FnOnce(FileReport) -> FileReport) {
        if let Err(error) = self.put_report(file, report).await {
            tracing::warn!("{} has no report on its last try: {error}", file.address);
        }
    }

    /// Made of the report that tells how far the file came, if there is one. One that says that it is done with stays.
    async fn put_report(&self, file: &Put, report: impl FnOnce(FileReport) -> FileReport) -> PortResult<()> {
        let Put { address, stamp } = file;
        let before = self.drops.report(address).await?.filter(|there| there.is_of_version(stamp));
        if before.as_ref().is_some_and(FileReport::is_final) {
            return Ok(());
        }
        let unread = || {
            FileReport::of_unread(address.name(), address.source().unwrap_or_default(), stamp, self.ingest.clock.now())
        };
        self.drops.put_report(address, &report(before.unwrap_or_else(unread))).await
    }
}
