//! One table: its place, and its log behind a lock that is held for a commit's few requests.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use cdp_lake::layout;
use cdp_ports::TableName;
use delta_kernel::{Engine, KernelResultIteratorStatic};
use url::Url;

use crate::DeltaError;
use crate::actions::ActiveFile;
use crate::kernel;
use crate::log::Log;
use crate::place::Place;

/// How a table's log is opened: made where it is not there, or not.
pub(crate) type Open = fn(TableName, &Url, Arc<dyn Engine>) -> Result<Log, DeltaError>;

pub(crate) struct Table {
    name: TableName,
    place: Box<dyn Place>,
    engine: Arc<dyn Engine>,
    open: Open,
    /// Opened when it is first asked for.
    log: OnceLock<Mutex<Log>>,
    /// Held by whoever opens it: the others wait for that.
    opening: Mutex<()>,
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
    pub fn new(name: TableName, place: Box<dyn Place>, engine: Arc<dyn Engine>, open: Open) -> Self {
        Self { name, place, engine, open, log: OnceLock::new(), opening: Mutex::default() }
    }

    pub fn place(&self) -> &dyn Place {
        &*self.place
    }

    /// Whoever reads, commits or rewrites waits meanwhile: what takes long is done before.
    pub fn log(&self) -> Result<MutexGuard<'_, Log>, DeltaError> {
        kernel::wait(|| {
            let log = self.log.get().map_or_else(|| self.opened(), Ok)?;
            // A log holds nothing that the next call could find half done.
            Ok(log.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }

    fn opened(&self) -> Result<&Mutex<Log>, DeltaError> {
        let _alone = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = self.log.get() {
            return Ok(log);
        }
        let log = (self.open)(self.name, self.place.url(), Arc::clone(&self.engine))?;
        Ok(self.log.get_or_init(|| Mutex::new(log)))
    }

    /// Whole files of the log, in this order. The lock is free meanwhile.
    pub fn read_log(&self, paths: &[String]) -> Result<KernelResultIteratorStatic<Bytes>, DeltaError> {
        let urls = paths.iter().map(|path| Ok((self.place.url().join(path)?, None)));
        let urls = urls.collect::<Result<_, DeltaError>>()?;
        Ok(self.engine.storage_handler().read_files(urls)?)
    }

    /// What was committed by now, by whomever.
    pub fn newest(&self) -> Result<TableVersion, DeltaError> {
        let mut log = self.log()?;
        log.advance()?;
        let columns = log.schema()?;
        let rows: Vec<_> = columns.fields().iter().filter(|field| field.name() != layout::DATE).cloned().collect();
        Ok(TableVersion { version: log.version(), columns: Arc::new(Schema::new(rows)), files: log.active_files()? })
    }
}
