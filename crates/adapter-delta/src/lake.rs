//! The port: four tables in a folder, each with its log behind a lock that is held for a commit's few milliseconds.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::datatypes::{Schema, SchemaRef};
use cdp_event::Timestamp;
use cdp_lake::encode::{Summary, TableFile};
use cdp_lake::layout;
use cdp_ports::{Batches, Compaction, DataFile, Lake, PortResult, TableName};
use delta_kernel::Engine;
use url::Url;

use crate::actions::ActiveFile;
use crate::files::{self, Existing};
use crate::folder::Folder;
use crate::log::Log;
use crate::{DeltaError, compact, kernel, sweep};

pub struct DeltaLake {
    root: PathBuf,
    /// In the order of `TableName::ALL`.
    logs: [Mutex<Log>; 4],
}

/// What a table consists of at one version.
#[derive(Clone, Debug)]
pub struct TableVersion {
    pub version: u64,
    /// The rows' columns; the partition column is not among them.
    pub columns: SchemaRef,
    pub files: Arc<[ActiveFile]>,
}

impl DeltaLake {
    /// Opens the lake in `root`: makes the tables that are not there, adds the columns that tables of an earlier release
    /// lack.
    pub fn open(root: &Path) -> Result<Self, DeltaError> {
        for table in TableName::ALL {
            let folder = root.join(table.as_str());
            files::create_folder(&folder).map_err(DeltaError::io(folder))?;
        }
        Self::each_table(root, |table, url, engine| Log::open(url, layout_of(table), engine))
    }

    /// Opens the lake in `root` as it is, for readers. [`DeltaError::NoTable`] where nobody has made it.
    pub fn open_existing(root: &Path) -> Result<Self, DeltaError> {
        Self::each_table(root, |_, url, engine| Log::open_existing(url, engine))
    }

    fn each_table(
        root: &Path,
        open: impl Fn(TableName, &Url, Arc<dyn Engine>) -> Result<Log, DeltaError>,
    ) -> Result<Self, DeltaError> {
        let root = std::path::absolute(root).map_err(DeltaError::io(root))?;
        let engine = kernel::engine(Arc::new(Folder::default()))?;
        let open = |table: TableName| {
            let folder = root.join(table.as_str());
            let url = Url::from_directory_path(&folder).map_err(|()| DeltaError::NoFolder(folder))?;
            open(table, &url, Arc::clone(&engine)).map(Mutex::new)
        };
        let [events, quarantine, identity, profiles] = TableName::ALL;
        let logs = [open(events)?, open(quarantine)?, open(identity)?, open(profiles)?];
        Ok(Self { root, logs })
    }

    /// An absolute path.
    pub fn table_root(&self, table: TableName) -> PathBuf {
        self.root.join(table.as_str())
    }

    /// What was committed by now, by whomever.
    pub fn newest(&self, table: TableName) -> Result<TableVersion, DeltaError> {
        let mut log = self.log(table);
        log.advance()?;
        let columns = log.schema()?;
        let rows: Vec<_> = columns.fields().iter().filter(|field| field.name() != layout::DATE).cloned().collect();
        Ok(TableVersion { version: log.version(), columns: Arc::new(Schema::new(rows)), files: log.active_files()? })
    }

    pub(crate) fn log(&self, table: TableName) -> MutexGuard<'_, Log> {
        let [events, quarantine, identity, profiles] = &self.logs;
        let log = match table {
            TableName::Events => events,
            TableName::Quarantine => quarantine,
            TableName::Identity => identity,
            TableName::Profiles => profiles,
        };
        // A log holds nothing that the next call could find half done.
        log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, table: TableName, date: &str, name: &str, rows: Batches<'_>) -> Result<DataFile, DeltaError> {
        let path = format!("{}={date}/{name}.parquet", layout::DATE);
        let whole = self.table_root(table).join(&path);
        let Some(first) = rows.next().transpose()? else { return Err(DeltaError::NoRows(whole)) };
        let mut file = TableFile::new(first.schema(), Vec::new())?;
        file.write(&first)?;
        for batch in rows {
            file.write(&batch?)?;
        }
        let (bytes, summary) = file.finish()?;
        files::write(&whole, std::iter::once(&*bytes), Existing::Replace).map_err(DeltaError::io(whole))?;
        Ok(data_file(path, date, bytes.len() as u64, summary))
    }
}

fn layout_of(table: TableName) -> &'static Schema {
    match table {
        TableName::Events => &layout::EVENTS,
        TableName::Quarantine => &layout::QUARANTINE,
        TableName::Identity => &layout::IDENTITY,
        TableName::Profiles => &layout::PROFILES,
    }
}

/// A file that was written just now.
pub(crate) fn data_file(path: String, date: &str, bytes: u64, summary: Summary) -> DataFile {
    let date = date.to_owned();
    DataFile { path, date, rows: summary.rows, bytes, stats: summary.stats, written_at_ms: files::now_ms() }
}

impl Lake for DeltaLake {
    async fn put(&self, table: TableName, date: &str, name: &str, rows: Batches<'_>) -> PortResult<DataFile> {
        self.write(table, date, name, rows).map_err(|error| error.at_port(format!("put {name} of {table}")))
    }

    async fn commit(&self, table: TableName, plan: u64, files: &[DataFile]) -> PortResult<()> {
        let action = || format!("commit plan {plan} of {} files to {table}", files.len());
        self.log(table).append(plan, files).map_err(|error| error.at_port(action()))
    }

    async fn last_plan(&self, table: TableName) -> PortResult<Option<u64>> {
        let mut log = self.log(table);
        let advanced = log.advance().map_err(|error| error.at_port(format!("read the last plan of {table}")));
        advanced.map(|()| log.last_plan())
    }

    async fn compact(&self, table: TableName, target_bytes: u64) -> PortResult<Option<Compaction>> {
        compact::compact(self, table, target_bytes).map_err(|error| error.at_port(format!("compact {table}")))
    }

    async fn sweep(&self, table: TableName, named: &[String], before: Timestamp) -> PortResult<u64> {
        sweep::sweep(self, table, named, before).map_err(|error| error.at_port(format!("sweep {table}")))
    }
}
