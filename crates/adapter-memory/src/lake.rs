//! Tables as lists of record batches.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use arrow::array::{AsArray, UInt64Array, new_null_array};
use arrow::compute::{concat_batches, max, min, take_record_batch};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use cdp_event::Timestamp;
use cdp_ports::{
    Batches, Clock, Compaction, DataFile, FaultKind, Lake, LakeFile, LakeReader, Landing, PortError, PortResult,
    RowBatches, TableName,
};

use crate::lock;

/// Its clock, unless one is handed in, counts the files: the n-th is written n ms after 1970 began.
#[derive(Default)]
pub struct MemoryLake {
    tables: Mutex<HashMap<TableName, Table>>,
    clock: Option<Arc<dyn Clock>>,
}

#[derive(Default)]
struct Table {
    /// By path, whether committed or not.
    files: BTreeMap<String, Stored>,
    /// Paths, in the order of their commits.
    committed: Vec<String>,
    last_plan: Option<u64>,
    /// Files ever written: the clock's count, and the names that compaction gives.
    written: u64,
}

struct Stored {
    file: DataFile,
    rows: RecordBatch,
}

impl MemoryLake {
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..Self::default() }
    }

    /// What a reader of the table sees, in the order of the commits. The batches have no `date` column.
    pub fn rows(&self, table: TableName) -> Vec<RecordBatch> {
        let mut tables = lock(&self.tables);
        let table = tables.entry(table).or_default();
        table.committed.iter().filter_map(|path| table.files.get(path)).map(|stored| stored.rows.clone()).collect()
    }

    /// Files that a reader of the table sees.
    pub fn files(&self, table: TableName) -> Vec<DataFile> {
        let mut tables = lock(&self.tables);
        let table = tables.entry(table).or_default();
        table.committed.iter().filter_map(|path| table.files.get(path)).map(|stored| stored.file.clone()).collect()
    }

    fn now(&self, table: &Table) -> Timestamp {
        self.clock.as_ref().map_or(Timestamp::from_ms(table.written as i64), |clock| clock.now())
    }

    fn store(&self, table: &mut Table, date: &str, name: &str, rows: RecordBatch) -> DataFile {
        table.written += 1;
        let file = DataFile {
            path: format!("date={date}/{name}.parquet"),
            date: date.to_owned(),
            rows: rows.num_rows() as u64,
            bytes: rows.get_array_memory_size().max(1) as u64,
            stats: format!(r#"{{"numRecords":{}}}"#, rows.num_rows()),
            written_at_ms: self.now(table).as_ms(),
        };
        table.files.insert(file.path.clone(), Stored { file: file.clone(), rows });
        file
    }
}

impl Landing for MemoryLake {
    async fn put(&self, table: TableName, date: &str, name: &str, rows: Batches<'_>) -> PortResult<DataFile> {
        let refused = |error| PortError::because(FaultKind::Refused, format!("put {name} of {table}"), error);
        let batches: Vec<RecordBatch> = rows.collect::<Result<_, _>>().map_err(refused)?;
        let columns = batches.first().map(RecordBatch::schema);
        let columns =
            columns.ok_or_else(|| refused(ArrowError::InvalidArgumentError("there are no rows".to_owned())))?;
        let rows = concat_batches(&columns, &batches).map_err(refused)?;
        let mut tables = lock(&self.tables);
        Ok(self.store(tables.entry(table).or_default(), date, name, rows))
    }
}

impl Lake for MemoryLake {
    async fn commit(&self, table: TableName, plan: u64, files: &[DataFile]) -> PortResult<()> {
        let action = || format!("commit plan {plan} to {table}");
        let mut tables = lock(&self.tables);
        let table = tables.entry(table).or_default();
        if table.last_plan.is_some_and(|last| last >= plan) {
            return Err(PortError::new(FaultKind::Stale, action()));
        }
        if let Some(gone) = files.iter().find(|file| !table.files.contains_key(&file.path)) {
            return Err(PortError::because(FaultKind::Refused, action(), format!("{} was never put", gone.path)));
        }
        table.committed.extend(files.iter().map(|file| file.path.clone()));
        table.last_plan = Some(plan);
        Ok(())
    }

    async fn last_plan(&self, table: TableName) -> PortResult<Option<u64>> {
        Ok(lock(&self.tables).entry(table).or_default().last_plan)
    }

    /// One date at a call: all of its files that are smaller than `target_bytes` become one.
    async fn compact(&self, table: TableName, target_bytes: u64) -> PortResult<Option<Compaction>> {
        let action = format!("compact {table}");
        let mut tables = lock(&self.tables);
        let table = tables.entry(table).or_default();
        let mut small: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for file in table.committed.iter().filter_map(|path| table.files.get(path)).map(|stored| &stored.file) {
            if file.bytes < target_bytes {
                small.entry(file.date.clone()).or_default().push(file.path.clone());
            }
        }
        let Some((date, paths)) = small.into_iter().find(|(_, paths)| paths.len() > 1) else { return Ok(None) };
        let batches: Vec<&RecordBatch> = paths.iter().filter_map(|path| Some(&table.files.get(path)?.rows)).collect();
        let Some(first) = batches.first() else { return Ok(None) };
        let rows = concat_batches(&first.schema(), batches.iter().copied())
            .map_err(|error| PortError::because(FaultKind::Refused, action, error))?;
        let name = format!("compacted-{}", table.written);
        let file = self.store(table, &date, &name, rows);
        table.committed.retain(|path| !paths.contains(path));
        table.committed.push(file.path);
        Ok(Some(Compaction { files_removed: paths.len() as u64, files_added: 1, rows: file.rows }))
    }

    /// There is one version of a table, the newest.
    async fn sweep(&self, table: TableName, named: &[String], before: Timestamp) -> PortResult<u64> {
        let mut tables = lock(&self.tables);
        let Table { files, committed, .. } = tables.entry(table).or_default();
        let stored = files.len();
        files.retain(|path, stored| {
            let is_old = Timestamp::from_ms(stored.file.written_at_ms) < before;
            !is_old || committed.contains(path) || named.contains(path)
        });
        Ok((stored - files.len()) as u64)
    }
}

impl LakeReader for MemoryLake {
    async fn files(&self, table: TableName) -> PortResult<Vec<LakeFile>> {
        let mut tables = lock(&self.tables);
        let table = tables.entry(table).or_default();
        let listed = |stored: &Stored| LakeFile {
            path: stored.file.path.clone(),
            rows: stored.file.rows,
            received: received(&stored.rows),
        };
        Ok(table.committed.iter().filter_map(|path| table.files.get(path)).map(listed).collect())
    }

    async fn rows(
        &self,
        table: TableName,
        path: &str,
        columns: &SchemaRef,
        chosen: Option<&[u64]>,
    ) -> PortResult<RowBatches> {
        let action = || format!("read {path} of {table}");
        let mut tables = lock(&self.tables);
        let stored = tables.entry(table).or_default().files.get(path);
        let rows = &stored.ok_or_else(|| PortError::new(FaultKind::Missing, action()))?.rows;
        let rows = with_columns(rows, columns).and_then(|rows| match chosen {
            Some(chosen) => take_record_batch(&rows, &UInt64Array::from(chosen.to_vec())),
            None => Ok(rows),
        });
        let rows = rows.map_err(|error| PortError::because(FaultKind::Refused, action(), error))?;
        Ok(Box::new(std::iter::once(Ok(rows))))
    }
}

fn received(rows: &RecordBatch) -> Option<(Timestamp, Timestamp)> {
    let column = rows.column_by_name("received_at")?.as_primitive_opt::<TimestampMicrosecondType>()?;
    let moment = |us: i64| Timestamp::from_ms(us.div_euclid(1000));
    Some((moment(min(column)?), moment(max(column)?)))
}

fn with_columns(rows: &RecordBatch, columns: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let arrays = columns.fields().iter().map(|field| match rows.column_by_name(field.name()) {
        Some(column) => Arc::clone(column),
        None => new_null_array(field.data_type(), rows.num_rows()),
    });
    RecordBatch::try_new(Arc::clone(columns), arrays.collect())
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
    use cdp_ports::conformance::lake::{LakeBench, all};
    use cdp_ports::conformance::lake_reader::{self, ReaderBench};
    use futures::executor::block_on;

    use super::*;

    struct Bench(MemoryLake);

    fn numbers(range: std::ops::Range<i64>) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(range));
        RecordBatch::try_from_iter([("number", column)]).expect("one column")
    }

    impl LakeBench for Bench {
        type Lake = MemoryLake;

        fn lake(&self) -> &MemoryLake {
            &self.0
        }

        fn sample(&self, _: TableName, count: usize) -> RecordBatch {
            numbers(0..count as i64)
        }

        async fn count_rows(&self, table: TableName) -> usize {
            self.0.rows(table).iter().map(RecordBatch::num_rows).sum()
        }
    }

    #[test]
    fn keeps_the_contract_of_lake() {
        block_on(all(async || Bench(MemoryLake::default())));
    }

    impl ReaderBench for Bench {
        type Lake = MemoryLake;
        type Reader = MemoryLake;

        fn lake(&self) -> &MemoryLake {
            &self.0
        }

        fn reader(&self) -> &MemoryLake {
            &self.0
        }

        fn received_at(&self, moments: &[Timestamp]) -> RecordBatch {
            let received = TimestampMicrosecondArray::from_iter_values(moments.iter().map(|at| at.as_ms() * 1000));
            let source = StringArray::from(vec!["web"; moments.len()]);
            let columns: [(_, ArrayRef); 2] =
                [("received_at", Arc::new(received.with_timezone("UTC"))), ("source", Arc::new(source))];
            RecordBatch::try_from_iter(columns).expect("columns of one length")
        }
    }

    #[test]
    fn keeps_the_contract_of_lake_reader() {
        block_on(lake_reader::all(async || Bench(MemoryLake::default())));
    }

    #[test]
    fn sweep_goes_by_the_clock_that_was_handed_in() {
        struct Stopped(Timestamp);
        impl Clock for Stopped {
            fn now(&self) -> Timestamp {
                self.0
            }
        }
        let noon = Timestamp::from_ms(1_760_000_000_000);
        let lake = MemoryLake::with_clock(Arc::new(Stopped(noon)));
        let file = block_on(lake.put(TableName::Events, "2026-01-31", "a", &mut std::iter::once(Ok(numbers(0..3)))))
            .expect("put");
        assert_eq!(file.written_at_ms, noon.as_ms());
        let swept = |before| block_on(lake.sweep(TableName::Events, &[], before)).expect("sweep");
        assert_eq!((swept(noon), swept(noon.plus_ms(1))), (0, 1));
    }
}
