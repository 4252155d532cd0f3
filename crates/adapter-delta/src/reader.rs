//! Rows of the tables, straight from their files.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use cdp_event::Timestamp;
use cdp_lake::encode::widen;
use cdp_ports::{LakeFile, LakeReader, PortResult, RowBatches, TableName};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection};
use parquet::file::metadata::RowGroupMetaData;
use serde_json::Value;

use crate::actions::ActiveFile;
use crate::rows_at_once::{rows_at_once, with_pages};
use crate::shared_file::SharedFile;
use crate::{DeltaError, DeltaLake};

/// Fewer where rows are large.
const ROWS_AT_ONCE: usize = 4 * 1024;
/// A bucket's file is a copy on the disk, of 128 MiB at most, and is read a page of rows at a time.
const KEPT_OPEN: usize = 8;

/// Reads a lake, and keeps the files open that it has read last.
pub struct DeltaReader {
    lake: Arc<DeltaLake>,
    opened: Mutex<VecDeque<Opened>>,
}

struct Opened {
    table: TableName,
    path: String,
    file: Arc<File>,
}

impl DeltaReader {
    pub fn of(lake: Arc<DeltaLake>) -> Self {
        Self { lake, opened: Mutex::default() }
    }

    fn open(&self, table: TableName, path: &str) -> Result<Arc<File>, DeltaError> {
        let known = self.opened().iter().find(|it| it.table == table && it.path == path).map(|it| Arc::clone(&it.file));
        if let Some(file) = known {
            return Ok(file);
        }
        let file = Arc::new(self.lake.data_file(table, path)?);
        let mut opened = self.opened();
        opened.push_back(Opened { table, path: path.to_owned(), file: Arc::clone(&file) });
        if opened.len() > KEPT_OPEN {
            opened.pop_front();
        }
        Ok(file)
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, VecDeque<Opened>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(
        &self,
        table: TableName,
        path: &str,
        columns: &SchemaRef,
        chosen: Option<&[u64]>,
    ) -> Result<ParquetRecordBatchReader, DeltaError> {
        let file = SharedFile::of(self.open(table, path)?)?;
        let mut rows = ParquetRecordBatchReaderBuilder::try_new_with_options(file, with_pages())?;
        let names = columns.fields().iter().map(|field| field.name().as_str());
        let wanted = ProjectionMask::columns(rows.parquet_schema(), names);
        let at_once = rows_at_once(rows.metadata(), &wanted, ROWS_AT_ONCE);
        if let Some(chosen) = chosen {
            let (groups, selection) = select(rows.metadata().row_groups(), chosen);
            rows = rows.with_row_groups(groups).with_row_selection(selection);
        }
        Ok(rows.with_projection(wanted).with_batch_size(at_once).build()?)
    }
}

/// The row groups that hold the chosen rows, and which of their rows those are. Other groups are not looked at.
fn select(groups: &[RowGroupMetaData], chosen: &[u64]) -> (Vec<usize>, RowSelection) {
    let (mut wanted, mut ranges) = (Vec::new(), Vec::new());
    let (mut begins, mut taken) = (0, 0);
    let mut left = chosen;
    for (at, group) in groups.iter().enumerate() {
        let rows = u64::try_from(group.num_rows()).unwrap_or(0);
        let here = left.partition_point(|row| *row < begins + rows);
        if here > 0 {
            wanted.push(at);
            ranges.extend(left[..here].iter().map(|row| {
                let row = taken + (row - begins) as usize;
                row..row + 1
            }));
            taken += rows as usize;
        }
        left = &left[here..];
        begins += rows;
    }
    (wanted, RowSelection::from_consecutive_ranges(ranges.into_iter(), taken))
}

impl LakeReader for DeltaReader {
    async fn files(&self, table: TableName) -> PortResult<Vec<LakeFile>> {
        let newest = self.lake.newest(table).map_err(|error| error.at_port(format!("list the files of {table}")))?;
        Ok(newest.files.iter().map(LakeFile::from).collect())
    }

    async fn rows(
        &self,
        table: TableName,
        path: &str,
        columns: &SchemaRef,
        chosen: Option<&[u64]>,
    ) -> PortResult<RowBatches> {
        let action = format!("read {path} of {table}");
        let rows = self.read(table, path, columns, chosen).map_err(|error| error.at_port(action.clone()))?;
        let columns = Arc::clone(columns);
        let whole = move |rows| Ok::<_, DeltaError>(widen(&rows?, &columns)?);
        Ok(Box::new(rows.map(move |rows| whole(rows).map_err(|error| error.at_port(action.clone())))))
    }
}

impl From<&ActiveFile> for LakeFile {
    fn from(file: &ActiveFile) -> Self {
        let stats: Value = serde_json::from_str(&file.stats).unwrap_or_default();
        let bound = |bounds: &str| stats[bounds]["received_at"].as_str()?.parse::<Timestamp>().ok();
        let received = bound("minValues").zip(bound("maxValues"));
        Self { path: file.path.clone(), rows: file.rows, received }
    }
}
