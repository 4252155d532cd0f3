//! One table: its folder, and its log behind a lock that is held for a commit's few milliseconds.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use cdp_lake::encode::TableFile;
use cdp_lake::layout;
use cdp_ports::DataFile;

use crate::DeltaError;
use crate::actions::ActiveFile;
use crate::files::{self, Existing, NewFile};
use crate::log::Log;

pub(crate) struct Table {
    root: PathBuf,
    log: Mutex<Log>,
}

/// What a table consists of at one version.
#[derive(Clone, Debug)]
pub struct TableVersion {
    pub version: u64,
    /// The rows' columns; the partition column is not among them.
    pub columns: SchemaRef,
    pub files: Arc<[ActiveFile]>,
}

impl Table {
    /// `root` is an absolute path.
    pub fn new(root: PathBuf, log: Log) -> Self {
        Self { root, log: Mutex::new(log) }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whoever reads, commits or rewrites waits meanwhile: what takes long is done before.
    pub fn log(&self) -> MutexGuard<'_, Log> {
        // A log holds nothing that the next call could find half done.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was committed by now, by whomever.
    pub fn newest(&self) -> Result<TableVersion, DeltaError> {
        let mut log = self.log();
        log.advance()?;
        let columns = log.schema()?;
        let rows: Vec<_> = columns.fields().iter().filter(|field| field.name() != layout::DATE).cloned().collect();
        Ok(TableVersion { version: log.version(), columns: Arc::new(Schema::new(rows)), files: log.active_files()? })
    }

    /// Begins a file for rows of one date.
    pub fn new_file(&self, date: &str, name: &str, columns: SchemaRef) -> Result<NewDataFile, DeltaError> {
        let path = format!("{}={date}/{name}.parquet", layout::DATE);
        let whole = self.root.join(&path);
        let file = NewFile::create(&whole).map_err(DeltaError::io(&whole))?;
        Ok(NewDataFile { rows: TableFile::new(columns, file)?, path, date: date.to_owned(), whole })
    }
}

/// A data file in the making: there once it is finished, and no version names it then.
pub(crate) struct NewDataFile {
    rows: TableFile<NewFile>,
    /// Relative to the table's root.
    path: String,
    date: String,
    whole: PathBuf,
}

impl NewDataFile {
    pub fn write(&mut self, rows: &RecordBatch) -> Result<(), DeltaError> {
        Ok(self.rows.write(rows)?)
    }

    pub fn finish(self) -> Result<DataFile, DeltaError> {
        let Self { rows, path, date, whole } = self;
        let (file, summary) = rows.finish()?;
        let bytes = file.publish(Existing::Replace).map_err(DeltaError::io(whole))?;
        Ok(DataFile { path, date, rows: summary.rows, bytes, stats: summary.stats, written_at_ms: files::now_ms() })
    }
}
