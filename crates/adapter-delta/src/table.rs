//! One table: its place, and its log behind a lock that is held for a commit's few requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use cdp_lake::layout;
use delta_kernel::KernelResultIteratorStatic;

use crate::DeltaError;
use crate::actions::ActiveFile;
use crate::kernel;
use crate::log::Log;
use crate::place::Place;

pub(crate) struct Table {
    place: Box<dyn Place>,
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
    pub fn new(place: Box<dyn Place>, log: Log) -> Self {
        Self { place, log: Mutex::new(log) }
    }

    pub fn place(&self) -> &dyn Place {
        &*self.place
    }

    /// Whoever reads, commits or rewrites waits meanwhile: what takes long is done before.
    pub fn log(&self) -> MutexGuard<'_, Log> {
        // A log holds nothing that the next call could find half done.
        kernel::wait(|| self.log.lock()).unwrap_or_else(PoisonError::into_inner)
    }

    /// Whole files of the log, in this order. The lock is free meanwhile.
    pub fn read_log(&self, paths: &[String]) -> Result<KernelResultIteratorStatic<Bytes>, DeltaError> {
        let urls = paths.iter().map(|path| Ok((self.place.url().join(path)?, None)));
        let urls = urls.collect::<Result<_, DeltaError>>()?;
        let engine = self.log().engine();
        Ok(engine.storage_handler().read_files(urls)?)
    }

    /// What was committed by now, by whomever.
    pub fn newest(&self) -> Result<TableVersion, DeltaError> {
        let mut log = self.log();
        log.advance()?;
        let columns = log.schema()?;
        let rows: Vec<_> = columns.fields().iter().filter(|field| field.name() != layout::DATE).cloned().collect();
        Ok(TableVersion { version: log.version(), columns: Arc::new(Schema::new(rows)), files: log.active_files()? })
    }
}
