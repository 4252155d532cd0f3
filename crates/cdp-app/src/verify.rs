//! Verify: the proof, from what is stored, that every record was taken in exactly once.
//!
//! It also holds while data flows. Then checkpoints, tables and profiles are read at different times, so a sum is held
//! against what it must be at least (what was checkpointed before, less what waits in the outbox) and at most (what is
//! checkpointed after). Where nothing moves both are one number. A profile is compared exactly once all that was applied to
//! it is checkpointed; the others are in flight, and are counted as such. A person's row that is older than State must have a
//! batch that is in flight, or a file that waits to be committed.

mod facts;
mod walk;

mod members;
mod sets;

mod late;
mod people;

mod claims;
mod profiles;

mod report;

use std::collections::BTreeMap;

use cdp_event::PartitionId;
use cdp_identity::BadItem;
use cdp_ports::{PortError, State, TableName};
use futures::TryStreamExt;

use self::claims::Claims;
pub use self::facts::{
    CanonicalRow, ClaimCount, NewestRow, ProfileCount, RecordCount, RepeatedPosition, TableFacts, sql,
};
use self::profiles::Profiles;
pub use self::report::{Check, Verification};
use self::report::{Sum, span};
use self::walk::Walk;
use crate::checkpoint::{Checkpoint, Checkpoints, Counts};
use crate::keys::outbox_partition;
use crate::{IngestError, OutboxEntry};

/// Keys of one read, and rows of one comparison.
const PAGE: usize = 500;

#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("{0}; build a deployment anew from the lake: docs/replay.md")]
    Stored(#[from] BadItem),
    #[error(transparent)]
    Checkpoints(#[from] IngestError),
}

/// The use case and its ports.
pub struct Verify<'v, S, R, T> {
    pub state: &'v S,
    pub records: &'v R,
    pub tables: &'v T,
    /// Whether the platform runs. If it does not, nothing should be waiting for a commit.
    pub running: bool,
}

/// Rows of landed files that are not known to be committed.
type Waiting = BTreeMap<(TableName, PartitionId), u64>;

impl<S: State, R: RecordCount, T: TableFacts> Verify<'_, S, R, T> {
    pub async fn verify(&self) -> Result<Verification, VerifyError> {
        // The order matters. What `before` counts is in the tables, or in the outbox as it is read next.
        let before = Checkpoints::all(self.state).await?;
        let waiting = self.waiting().await?;
        let events = self.tables.rows_by_partition(TableName::Events).await?;
        let quarantine = self.tables.rows_by_partition(TableName::Quarantine).await?;
        let after = Checkpoints::all(self.state).await?;
        let rows = RowsAreThere { before: by_partition(&before), after: by_partition(&after), waiting: &waiting };
        let mut checks = vec![
            counts_add_up(&before),
            self.records_are_counted(&before).await?,
            rows.check("accepted_in_events", TableName::Events, &events, |counts| counts.accepted),
            rows.check("quarantined_in_quarantine", TableName::Quarantine, &quarantine, |counts| counts.quarantined),
            self.positions_are_unique().await?,
        ];

        let Profiles { members, roots, canonical, people, .. } = self.profiles(&before, &waiting).await?;
        let claims = self.claims().await?;
        let edges = self.tables.edges().await?;
        let last = Checkpoints::all(self.state).await?;
        let is_still = by_partition(&before) == by_partition(&last) && !is_in_flight(&last);
        let at_rest = is_still && waiting.is_empty();
        let duplicates = last.iter().map(|(_, checkpoint)| checkpoint.counts.duplicates).sum();
        checks.extend([
            members.counts.into(),
            roots.merged.into(),
            canonical.sum.into(),
            people.sum.into(),
            total("duplicates_counted", duplicates, members.duplicates, at_rest),
            claims.stand.into(),
            total("claims_told", roots.held, claims.rows, at_rest),
            total("edges_told", roots.edges, edges, at_rest),
            self.nothing_waits(&waiting),
        ]);
        Ok(Verification { checks, at_rest, profiles_in_flight: members.in_flight })
    }

    async fn waiting(&self) -> Result<Waiting, VerifyError> {
        let mut waiting = Waiting::new();
        for table in TableName::ALL {
            let partition = outbox_partition(table);
            let mut after: Option<String> = None;
            loop {
                let page = self.state.query(&partition, "", after.as_deref(), PAGE).await?;
                let is_last = page.len() < PAGE;
                after = page.last().map(|item| item.key.sort.clone());
                for item in page {
                    let entry = OutboxEntry::read(item.key.sort, item.body)?;
                    *waiting.entry((table, entry.partition)).or_default() += entry.file.rows;
                }
                if is_last {
                    break;
                }
            }
        }
        Ok(waiting)
    }

    async fn records_are_counted(&self, before: &Checkpoints) -> Result<Check, VerifyError> {
        let mut check = Sum::new("records_counted");
        let mut uncounted = 0;
        for (partition, checkpoint) in before.iter() {
            let Some(done) = checkpoint.done else { continue };
            let counted = checkpoint.counts.records;
            match self.records.records_up_to(partition, done).await? {
                Some(records) => check.expect(records, records, counted, || {
                    format!("{partition}: {counted} of {records} records up to {done}")
                }),
                None => uncounted += counted,
            }
        }
        let mut check = Check::from(check);
        if uncounted > 0 {
            check.expected = format!("{}, and {uncounted} where only ingest counts", check.expected);
        }
        Ok(check)
    }

    async fn positions_are_unique(&self) -> Result<Check, VerifyError> {
        let repeated = self.tables.repeated_positions().await?;
        let mut check = Sum::new("positions_unique");
        for RepeatedPosition { partition, sequence, sub, rows } in &repeated {
            check.expect(0, 0, 1, || format!("{partition} {sequence}.{sub}: {rows} rows"));
        }
        Ok(check.into())
    }

    async fn profiles<'b>(&self, before: &'b Checkpoints, waiting: &Waiting) -> Result<Profiles<'b>, VerifyError> {
        let mut profiles = Profiles::new(before, waiting);
        let mut walk = Walk::of(self.tables);
        loop {
            let page = walk.next_page().await?;
            if page.is_empty() {
                return Ok(profiles);
            }
            profiles.compare(self.state, &page).await?;
        }
    }

    async fn claims(&self) -> Result<Claims, VerifyError> {
        let mut claims = Claims::new();
        let mut pages = self.tables.claims();
        while let Some(page) = pages.try_next().await? {
            for some in page.chunks(PAGE) {
                claims.compare(self.state, some).await?;
            }
        }
        Ok(claims)
    }

    fn nothing_waits(&self, waiting: &Waiting) -> Check {
        let rows: u64 = waiting.values().sum();
        let example =
            |((table, partition), rows): (&(TableName, PartitionId), &u64)| format!("{table} {partition}: {rows} rows");
        let expected = match (self.running, rows) {
            (true, _) => "some rows, for some seconds",
            (false, 0) => "0",
            // It was killed, and nothing is lost.
            (false, _) => "0; the next start commits what waits",
        };
        Check {
            name: "outbox_empty",
            holds: self.running || rows == 0,
            expected: expected.to_owned(),
            found: rows.to_string(),
            examples: waiting.iter().map(example).take(report::MAX_EXAMPLES).collect(),
        }
    }
}

fn counts_add_up(before: &Checkpoints) -> Check {
    let mut check = Sum::new("received_adds_up");
    for (partition, checkpoint) in before.iter() {
        let Counts { received, accepted, quarantined, duplicates, .. } = checkpoint.counts;
        let sum = accepted.saturating_add(quarantined).saturating_add(duplicates);
        check.expect(received, received, sum, || {
            format!("{partition}: {received} received, {accepted} accepted, {quarantined} quarantined, {duplicates} duplicates")
        });
    }
    check.into()
}

struct RowsAreThere<'r> {
    before: BTreeMap<&'r PartitionId, &'r Checkpoint>,
    after: BTreeMap<&'r PartitionId, &'r Checkpoint>,
    waiting: &'r Waiting,
}

impl RowsAreThere<'_> {
    /// The table has a row for each record that `counted` counts.
    fn check(
        &self,
        name: &'static str,
        table: TableName,
        rows: &[(PartitionId, u64)],
        counted: fn(&Counts) -> u64,
    ) -> Check {
        let mut found: BTreeMap<&PartitionId, u64> = rows.iter().map(|(partition, rows)| (partition, *rows)).collect();
        let mut check = Sum::new(name);
        for (partition, checkpoint) in &self.after {
            let rows = found.remove(partition).unwrap_or_default();
            let was = self.before.get(partition).map_or(0, |checkpoint| counted(&checkpoint.counts));
            let waits = self.waiting.get(&(table, (*partition).clone())).copied().unwrap_or_default();
            let (least, most) = (was.saturating_sub(waits), counted(&checkpoint.counts));
            check.expect(least, most, rows, || format!("{partition}: {rows} rows, not {}", span(least, most)));
        }
        for (partition, rows) in found {
            check.expect(0, 0, rows, || format!("{partition}: {rows} rows, and no checkpoint"));
        }
        check.into()
    }
}

/// Two totals that are one number once everything has come to rest, and can't be compared before.
fn total(name: &'static str, expected: u64, found: u64, at_rest: bool) -> Check {
    let holds = !at_rest || expected == found;
    let expected = if at_rest { expected.to_string() } else { format!("{expected} at rest") };
    Check { name, holds, expected, found: found.to_string(), examples: vec![] }
}

fn by_partition(checkpoints: &Checkpoints) -> BTreeMap<&PartitionId, &Checkpoint> {
    checkpoints.iter().collect()
}

fn rows_of(waiting: &Waiting, table: TableName) -> u64 {
    waiting.iter().filter(|((of, _), _)| *of == table).map(|(_, rows)| rows).sum()
}

/// Whether a batch has begun and has not ended.
fn is_in_flight(checkpoints: &Checkpoints) -> bool {
    checkpoints.iter().any(|(_, checkpoint)| !checkpoint.closed && checkpoint.reach > checkpoint.done)
}

#[cfg(test)]
mod tests;
