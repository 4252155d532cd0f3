//! History by SQL: one statement for each question, the same on one machine and on AWS.

use std::time::Duration;

use cdp_ports::{FaultKind, PortError, PortResult, Warehouse};
use futures::TryStreamExt;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::rows::past_events;
use super::statement::statement;
use super::{Asked, History, HistoryFault, PastEvent, Wanted};

const ACTION: &str = "ask the tables for a person's events";
/// Each question reads columns of many files: more at once would only make each slower, and ingest too.
const AT_ONCE: usize = 2;
const WAITS: Duration = Duration::from_secs(2);
/// API Gateway gives up after 30 s. Before that, State is asked, and a statement that took too long is stopped.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct WarehouseHistory<W> {
    warehouse: W,
    turns: Semaphore,
    patience: Duration,
}

impl<W: Warehouse> WarehouseHistory<W> {
    pub fn new(warehouse: W) -> Self {
        Self { warehouse, turns: Semaphore::new(AT_ONCE), patience: PATIENCE }
    }

    async fn ask(&self, wanted: &Wanted<'_>) -> Result<Vec<PastEvent>, HistoryFault> {
        let busy = || PortError { retry_after: Some(WAITS), ..PortError::new(FaultKind::Busy, ACTION) };
        let Ok(Ok(_turn)) = timeout(WAITS, self.turns.acquire()).await else { return Err(busy().into()) };
        match timeout(self.patience, self.read(&statement(wanted))).await {
            Ok(events) => Ok(events?),
            Err(_) => Err(HistoryFault::Slow { waited: self.patience }),
        }
    }

    async fn read(&self, statement: &str) -> PortResult<Vec<PastEvent>> {
        let mut batches = self.warehouse.run(statement).await?.rows;
        let mut events = vec![];
        while let Some(batch) = batches.try_next().await? {
            let read = past_events(&batch);
            events.extend(read.map_err(|why| PortError::because(FaultKind::Broken, ACTION, why))?);
        }
        Ok(events)
    }
}

impl<W: Warehouse> History for WarehouseHistory<W> {
    fn events<'a>(&'a self, wanted: &'a Wanted<'a>) -> Asked<'a> {
        Box::pin(self.ask(wanted))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use cdp_event::Timestamp;
    use cdp_ports::Answer;
    use futures::future::pending;
    use futures::{StreamExt, stream};

    use super::*;
    use crate::profiles::history::rows::tests::batch;

    /// A warehouse that knows what it answers, and keeps what it was asked.
    enum Recorded {
        Answers(Arc<Mutex<Vec<String>>>),
        Refuses,
        NeverEnds,
    }

    impl Warehouse for Recorded {
        async fn run(&self, statement: &str) -> PortResult<Answer> {
            match self {
                Self::Answers(asked) => asked.lock().expect("no test panics here").push(statement.to_owned()),
                Self::Refuses => return Err(PortError::because(FaultKind::Refused, "run", "it would read too much")),
                Self::NeverEnds => pending().await,
            }
            let rows = ["m1", "m2"].map(|id| batch(&[("message_id", Some(id))]));
            let columns = rows[0].schema();
            Ok(Answer { columns, rows: stream::iter(rows.map(Ok)).boxed(), scanned_bytes: None })
        }
    }

    fn everything() -> Wanted<'static> {
        Wanted {
            profiles: vec![],
            include: None,
            exclude: vec![],
            start: Timestamp::EARLIEST,
            end: None,
            newest_first: true,
            from: None,
            limit: 11,
        }
    }

    #[tokio::test]
    async fn one_statement_finds_all_events_batch_by_batch() {
        let asked = Arc::new(Mutex::default());
        let history = WarehouseHistory::new(Recorded::Answers(Arc::clone(&asked)));
        let events = history.ask(&everything()).await.expect("an answer");
        let ids: Vec<&str> = events.iter().map(|past| &*past.event.message_id).collect();
        assert_eq!(ids, ["m1", "m2"]);
        assert_eq!(*asked.lock().expect("no test panics here"), [statement(&everything())]);
    }

    #[tokio::test]
    async fn what_takes_too_long_and_what_is_refused_are_told_apart() {
        let patience = Duration::from_millis(10);
        let slow = WarehouseHistory { patience, ..WarehouseHistory::new(Recorded::NeverEnds) };
        let fault = slow.ask(&everything()).await.expect_err("nobody answers");
        assert!(matches!(fault, HistoryFault::Slow { waited } if waited == patience), "{fault}");
        assert_eq!(slow.turns.available_permits(), AT_ONCE, "the next one may ask");
        let fault = WarehouseHistory::new(Recorded::Refuses).ask(&everything()).await.expect_err("it is refused");
        assert!(matches!(&fault, HistoryFault::Port(fault) if fault.kind == FaultKind::Refused), "{fault}");
    }
}
