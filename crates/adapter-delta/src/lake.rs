//! The port: four tables, each in a folder of its own.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use arrow::datatypes::Schema;
use cdp_event::Timestamp;
use cdp_lake::layout;
use cdp_ports::{Batches, Compaction, DataFile, Lake, Landing, PortResult, TableName};
use object_store::ObjectStore;
use object_store::path::Path as ObjectPath;
use url::Url;

use crate::bucket::Bucket;
use crate::folder::{self, FolderStore, FolderTable};
use crate::kernel::{self, Threads};
use crate::log::Log;
use crate::per_table::PerTable;
use crate::place::Place;
use crate::table::{Open, Table, TableVersion};
use crate::{DeltaError, compact, land, sweep};

pub struct DeltaLake {
    store: Arc<dyn ObjectStore>,
    tables: PerTable<Table>,
}

const OR_MAKE: Open = |table, url, engine| Log::open(url, layout_of(table), engine);
const AS_IT_IS: Open = |_, url, engine| Log::open_existing(url, engine);

impl DeltaLake {
    /// Opens the lake in `root`: makes the tables that are not there, adds the columns that tables of an earlier release
    /// lack.
    pub fn open(root: &Path) -> Result<Self, DeltaError> {
        for table in TableName::ALL {
            let table = root.join(table.as_str());
            folder::create_folder(&table).map_err(DeltaError::io(table))?;
        }
        Self::in_folder(root, OR_MAKE)?.opened()
    }

    /// Opens the lake in `root` as it is, for readers. [`DeltaError::NoTable`] where nobody has made it.
    pub fn open_existing(root: &Path) -> Result<Self, DeltaError> {
        Self::in_folder(root, AS_IT_IS)?.opened()
    }

    /// As [`open`](Self::open), in a bucket.
    pub fn open_bucket(bucket: Bucket) -> Result<Self, DeltaError> {
        Self::in_bucket(bucket)?.opened()
    }

    /// As [`open_bucket`](Self::open_bucket), but each table is opened when it is first asked for: whoever starts often, and wants
    /// one of them, waits for no more.
    pub fn in_bucket(bucket: Bucket) -> Result<Self, DeltaError> {
        Self::of_bucket(bucket, OR_MAKE)
    }

    /// As [`open_existing`](Self::open_existing), in a bucket.
    pub fn open_existing_bucket(bucket: Bucket) -> Result<Self, DeltaError> {
        Self::of_bucket(bucket, AS_IT_IS)?.opened()
    }

    fn in_folder(folder: &Path, open: Open) -> Result<Self, DeltaError> {
        // The path of an object has no `..` in it.
        let root = match folder.canonicalize() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DeltaError::NoTable(folder.display().to_string()));
            }
            root => root.map_err(DeltaError::io(folder))?,
        };
        let place = |table: TableName| Ok(Box::new(FolderTable::at(root.join(table.as_str()))?) as Box<dyn Place>);
        Self::each_table(Arc::new(FolderStore::default()), Arc::new(Threads::start()?), place, open)
    }

    fn of_bucket(bucket: Bucket, open: Open) -> Result<Self, DeltaError> {
        let threads = Arc::new(Threads::start()?);
        let place =
            |table: TableName| Ok(Box::new(bucket.table(table.as_str(), Arc::clone(&threads))?) as Box<dyn Place>);
        Self::each_table(bucket.store(), Arc::clone(&threads), place, open)
    }

    fn each_table(
        store: Arc<dyn ObjectStore>,
        threads: Arc<Threads>,
        place: impl Fn(TableName) -> Result<Box<dyn Place>, DeltaError>,
        open: Open,
    ) -> Result<Self, DeltaError> {
        let engine = kernel::engine(Arc::clone(&store), threads);
        let table = |name| Ok::<_, DeltaError>(Table::new(name, place(name)?, Arc::clone(&engine), open));
        Ok(Self { store, tables: PerTable::try_of(table)? })
    }

    /// Side by side: each asks a few things, one after the other, and a bucket takes its time to answer.
    fn opened(self) -> Result<Self, DeltaError> {
        kernel::wait(|| {
            thread::scope(|scope| {
                let opening = PerTable::try_of(|name| {
                    let table = self.table(name);
                    let open = move || table.log().map(drop);
                    thread::Builder::new().spawn_scoped(scope, open).map_err(DeltaError::Threads)
                })?;
                opening.try_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            })
        })?;
        Ok(self)
    }

    /// `file:///shop/lake/events/`, `s3://bucket/events/`
    pub fn table_url(&self, table: TableName) -> &Url {
        self.table(table).place().url()
    }

    /// What the tables' files are read from, by whoever reads them by himself. A runtime that does so must not stand still
    /// while it waits for a call of the lake: they share connections, and it drives its own.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// The name in the [`store`](Self::store) of one of the table's files.
    pub fn object(&self, table: TableName, path: &str) -> Result<ObjectPath, DeltaError> {
        self.table(table).place().object(path)
    }

    /// One of the table's data files, to be read in any order; a bucket's comes as a copy that nobody else sees.
    pub fn data_file(&self, table: TableName, path: &str) -> Result<File, DeltaError> {
        self.table(table).place().read(path)
    }

    /// What was committed by now, by whomever.
    pub fn newest(&self, table: TableName) -> Result<TableVersion, DeltaError> {
        self.table(table).newest()
    }

    fn table(&self, table: TableName) -> &Table {
        self.tables.of(table)
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

impl Landing for DeltaLake {
    async fn put(&self, table: TableName, date: &str, name: &str, rows: Batches<'_>) -> PortResult<DataFile> {
        land::put(self.table(table).place(), table, date, name, rows)
    }
}

impl Lake for DeltaLake {
    async fn commit(&self, table: TableName, plan: u64, files: &[DataFile]) -> PortResult<()> {
        let action = || format!("commit plan {plan} of {} files to {table}", files.len());
        let log = self.table(table).log();
        log.and_then(|mut log| log.append(plan, files)).map_err(|error| error.at_port(action()))
    }

    async fn last_plan(&self, table: TableName) -> PortResult<Option<u64>> {
        let plan = self.table(table).log().and_then(|mut log| {
            log.advance()?;
            log.last_plan()
        });
        plan.map_err(|error| error.at_port(format!("read the last plan of {table}")))
    }

    async fn compact(&self, table: TableName, target_bytes: u64) -> PortResult<Option<Compaction>> {
        compact::compact(self.table(table), target_bytes).map_err(|error| error.at_port(format!("compact {table}")))
    }

    async fn sweep(&self, table: TableName, named: &[String], before: Timestamp) -> PortResult<u64> {
        sweep::sweep(self.table(table), named, before).map_err(|error| error.at_port(format!("sweep {table}")))
    }
}
