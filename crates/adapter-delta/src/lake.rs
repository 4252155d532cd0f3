//! The port: four tables, each in a folder of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::Schema;
use cdp_event::Timestamp;
use cdp_lake::layout;
use cdp_ports::{Batches, Compaction, DataFile, Lake, PortResult, TableName};
use delta_kernel::Engine;
use url::Url;

use crate::folder::Folder;
use crate::log::Log;
use crate::table::{Table, TableVersion};
use crate::{DeltaError, compact, files, kernel, sweep};

pub struct DeltaLake {
    events: Table,
    quarantine: Table,
    identity: Table,
    profiles: Table,
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
            let url = Url::from_directory_path(&folder).map_err(|()| DeltaError::NoFolder(folder.clone()))?;
            Ok::<_, DeltaError>(Table::new(folder, open(table, &url, Arc::clone(&engine))?))
        };
        Ok(Self {
            events: open(TableName::Events)?,
            quarantine: open(TableName::Quarantine)?,
            identity: open(TableName::Identity)?,
            profiles: open(TableName::Profiles)?,
        })
    }

    /// An absolute path.
    pub fn table_root(&self, table: TableName) -> PathBuf {
        self.table(table).root().to_owned()
    }

    /// What was committed by now, by whomever.
    pub fn newest(&self, table: TableName) -> Result<TableVersion, DeltaError> {
        self.table(table).newest()
    }

    fn table(&self, table: TableName) -> &Table {
        match table {
            TableName::Events => &self.events,
            TableName::Quarantine => &self.quarantine,
            TableName::Identity => &self.identity,
            TableName::Profiles => &self.profiles,
        }
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

fn put(table: &Table, date: &str, name: &str, rows: Batches<'_>) -> Result<DataFile, DeltaError> {
    let Some(first) = rows.next().transpose()? else { return Err(DeltaError::NoRows(name.to_owned())) };
    let mut file = table.new_file(date, name, first.schema())?;
    file.write(&first)?;
    for batch in rows {
        file.write(&batch?)?;
    }
    file.finish()
}

impl Lake for DeltaLake {
    async fn put(&self, table: TableName, date: &str, name: &str, rows: Batches<'_>) -> PortResult<DataFile> {
        put(self.table(table), date, name, rows).map_err(|error| error.at_port(format!("put {name} of {table}")))
    }

    async fn commit(&self, table: TableName, plan: u64, files: &[DataFile]) -> PortResult<()> {
        let action = || format!("commit plan {plan} of {} files to {table}", files.len());
        self.table(table).log().append(plan, files).map_err(|error| error.at_port(action()))
    }

    async fn last_plan(&self, table: TableName) -> PortResult<Option<u64>> {
        let mut log = self.table(table).log();
        let plan = log.advance().and_then(|()| log.last_plan());
        plan.map_err(|error| error.at_port(format!("read the last plan of {table}")))
    }

    async fn compact(&self, table: TableName, target_bytes: u64) -> PortResult<Option<Compaction>> {
        compact::compact(self.table(table), target_bytes).map_err(|error| error.at_port(format!("compact {table}")))
    }

    async fn sweep(&self, table: TableName, named: &[String], before: Timestamp) -> PortResult<u64> {
        sweep::sweep(self.table(table), named, before).map_err(|error| error.at_port(format!("sweep {table}")))
    }
}
