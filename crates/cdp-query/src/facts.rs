//! The tables' own facts, by SQL, for the proof.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, Int64Type};
use arrow::record_batch::RecordBatch;
use cdp_app::{CanonicalRow, ClaimCount, NewestRow, ProfileCount, RepeatedPosition, TableFacts, verify_sql as sql};
use cdp_event::PartitionId;
use cdp_ports::{FaultKind, PortError, PortResult, TableName};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use crate::Query;

impl Query {
    async fn all_rows(&self, statement: &str) -> PortResult<Vec<RecordBatch>> {
        Ok(self.sql(statement).await?.1)
    }

    /// Batches as they come, each turned into values.
    fn pages<T: Send + 'static>(
        &self,
        statement: &'static str,
        read: fn(&RecordBatch) -> Option<Vec<T>>,
    ) -> BoxStream<'_, PortResult<Vec<T>>> {
        let batches = async move { Ok::<_, PortError>(self.stream(statement).await?.1.map_err(PortError::from)) };
        let pages = futures::stream::once(batches).try_flatten();
        pages.map(move |batch| batch.and_then(|batch| read(&batch).ok_or_else(unexpected))).boxed()
    }
}

fn unexpected() -> PortError {
    PortError::because(FaultKind::Broken, "ask the tables", "the answer has other columns than were asked for")
}

fn texts(batch: &RecordBatch, column: usize) -> Option<Vec<String>> {
    let column = batch.columns().get(column)?.as_string_opt::<i32>()?;
    Some((0..column.len()).map(|at| column.value(at).to_owned()).collect())
}

fn optional_texts(batch: &RecordBatch, column: usize) -> Option<Vec<Option<String>>> {
    let column = batch.columns().get(column)?.as_string_opt::<i32>()?;
    Some(column.iter().map(|text| text.map(str::to_owned)).collect())
}

fn numbers(batch: &RecordBatch, column: usize) -> Option<Vec<i64>> {
    Some(batch.columns().get(column)?.as_primitive_opt::<Int64Type>()?.values().to_vec())
}

fn counts(batch: &RecordBatch, column: usize) -> Option<Vec<u64>> {
    Some(numbers(batch, column)?.into_iter().map(|count| u64::try_from(count).unwrap_or_default()).collect())
}

fn collected<T>(batches: &[RecordBatch], read: fn(&RecordBatch) -> Option<Vec<T>>) -> PortResult<Vec<T>> {
    let pages: Option<Vec<Vec<T>>> = batches.iter().map(read).collect();
    Ok(pages.ok_or_else(unexpected)?.into_iter().flatten().collect())
}

impl TableFacts for Query {
    async fn rows_by_partition(&self, table: TableName) -> PortResult<Vec<(PartitionId, u64)>> {
        let statement = match table {
            TableName::Quarantine => sql::QUARANTINE_BY_PARTITION,
            TableName::Events | TableName::Identity | TableName::Profiles => sql::EVENTS_BY_PARTITION,
        };
        collected(&self.all_rows(statement).await?, |batch| {
            let partitions = texts(batch, 0)?.into_iter().map(PartitionId::new);
            Some(partitions.zip(counts(batch, 1)?).collect())
        })
    }

    async fn repeated_positions(&self) -> PortResult<Vec<RepeatedPosition>> {
        collected(&self.all_rows(sql::REPEATED_POSITIONS).await?, |batch| {
            let subs = batch.columns().get(2)?.as_primitive_opt::<Int32Type>()?.values().to_vec();
            let places = texts(batch, 0)?.into_iter().zip(texts(batch, 1)?).zip(subs).zip(counts(batch, 3)?);
            let position = |(((partition, sequence), sub), rows)| RepeatedPosition { partition, sequence, sub, rows };
            Some(places.map(position).collect())
        })
    }

    fn events_by_profile(&self) -> BoxStream<'_, PortResult<Vec<ProfileCount>>> {
        self.pages(sql::EVENTS_BY_PROFILE, |batch| {
            let profiles = texts(batch, 0)?.into_iter().zip(counts(batch, 1)?);
            Some(profiles.map(|(profile_id, rows)| ProfileCount { profile_id, rows }).collect())
        })
    }

    fn claimants(&self) -> BoxStream<'_, PortResult<Vec<String>>> {
        self.pages(sql::CLAIMANTS, |batch| texts(batch, 0))
    }

    fn canonical(&self) -> BoxStream<'_, PortResult<Vec<CanonicalRow>>> {
        self.pages(sql::CANONICAL, |batch| {
            let rows = texts(batch, 0)?.into_iter().zip(texts(batch, 1)?);
            Some(rows.map(|(profile_id, canonical_id)| CanonicalRow { profile_id, canonical_id }).collect())
        })
    }

    fn newest_profiles(&self) -> BoxStream<'_, PortResult<Vec<NewestRow>>> {
        self.pages(sql::NEWEST_PROFILES, |batch| {
            let revisions = texts(batch, 0)?.into_iter().zip(numbers(batch, 1)?);
            let rows = revisions.zip(optional_texts(batch, 2)?).zip(counts(batch, 3)?);
            let row = |(((profile_id, revision), merged_into), events)| NewestRow {
                profile_id,
                revision,
                merged_into,
                events,
            };
            Some(rows.map(row).collect())
        })
    }

    fn claims(&self) -> BoxStream<'_, PortResult<Vec<ClaimCount>>> {
        self.pages(sql::CLAIMS, |batch| {
            let names = texts(batch, 0)?.into_iter().zip(texts(batch, 1)?);
            let claims = names.zip(texts(batch, 2)?).zip(counts(batch, 3)?);
            let claim = |(((namespace, value), profile_id), rows)| ClaimCount { namespace, value, profile_id, rows };
            Some(claims.map(claim).collect())
        })
    }

    async fn edges(&self) -> PortResult<u64> {
        Ok(collected(&self.all_rows(sql::EDGES).await?, |batch| counts(batch, 0))?.into_iter().sum())
    }
}
