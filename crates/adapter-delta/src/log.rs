//! One table's log: created, widened, read, appended to and checkpointed, by delta_kernel.
//!
//! The newest version that we know stays in memory, and our own commits move it on. So a commit costs the same after
//! ten thousand others, and what others commit costs a look at one name.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use cdp_lake::layout;
use cdp_ports::DataFile;
use delta_kernel::committer::{Committer, FileSystemCommitter};
use delta_kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};
use delta_kernel::engine_data::FilteredEngineData;
use delta_kernel::scan::{Scan, ScanMetadata};
use delta_kernel::schema::{StructField, StructType};
use delta_kernel::snapshot::{Snapshot, SnapshotRef};
use delta_kernel::transaction::{CommitResult, CommittedTransaction, UpdateTableOperation};
use delta_kernel::{Engine, KernelError, KernelResult};
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use crate::DeltaError;
use crate::actions::{self, ActiveFile};
use crate::place::now_ms;

/// In the table's root.
pub(crate) const FOLDER: &str = "_delta_log";

/// Names us in the table's txn actions. Part of the contract: under another name we would forget which plans were done.
const APPLICATION: &str = "cdp";
const ENGINE: &str = concat!("cdp/", env!("CARGO_PKG_VERSION"));

/// Another process that writes takes a place now and then: to lose so many in a row is a reason to wait.
const PLACES_TRIED: usize = 5;

/// A reader opens a table by its last checkpoint and about this many commits.
const COMMITS_BETWEEN_CHECKPOINTS: u64 = 10;

/// A removed file is in each checkpoint until its time is over, and a busy day removes a hundred thousand.
const PROPERTIES: [(&str, &str); 3] = [
    ("delta.checkpointInterval", "10"),
    ("delta.logRetentionDuration", "interval 1 days"),
    ("delta.deletedFileRetentionDuration", "interval 1 hours"),
];

pub(crate) struct Log {
    engine: Arc<dyn Engine>,
    snapshot: SnapshotRef,
    /// Of the snapshot, where somebody has asked for it.
    last_plan: Option<Option<u64>>,
    /// Of the snapshot, where somebody has asked for them.
    files: Option<Arc<[ActiveFile]>>,
}

impl Log {
    /// Opens the table at `url`, and makes it or adds the columns that it lacks.
    pub fn open(url: &Url, rows: &Schema, engine: Arc<dyn Engine>) -> Result<Self, DeltaError> {
        let mut log = match Self::open_existing(url, Arc::clone(&engine)) {
            Err(DeltaError::NoTable(_)) => {
                create(url, rows, &*engine)?;
                Self::open_existing(url, engine)?
            }
            opened => opened?,
        };
        if !log.missing_columns(rows)?.is_empty() {
            // Another process of this release may be adding them too.
            log.at_next_place(|log| log.add_missing_columns(rows))?;
        }
        Ok(log)
    }

    pub fn open_existing(url: &Url, engine: Arc<dyn Engine>) -> Result<Self, DeltaError> {
        let opened = Snapshot::builder_for(url.as_str()).build(&*engine);
        let snapshot = opened.map_err(|error| match error {
            KernelError::EmptyLog | KernelError::InvalidTableLocation(_) => DeltaError::NoTable(url.to_string()),
            other => DeltaError::Log(other),
        })?;
        Ok(Self { engine, snapshot, last_plan: None, files: None })
    }

    /// Reads what others have committed since.
    pub fn advance(&mut self) -> Result<(), DeltaError> {
        if self.is_newest()? {
            return Ok(());
        }
        self.snapshot = Snapshot::builder_from(Arc::clone(&self.snapshot)).build(&*self.engine)?;
        self.last_plan = None;
        self.files = None;
        Ok(())
    }

    pub fn version(&self) -> u64 {
        self.snapshot.version()
    }

    /// The highest plan that the table carries.
    pub fn last_plan(&mut self) -> Result<Option<u64>, DeltaError> {
        if let Some(known) = self.last_plan {
            return Ok(known);
        }
        let plan = self.snapshot.get_app_id_version(APPLICATION, &*self.engine)?;
        let plan = plan.and_then(|plan| u64::try_from(plan).ok());
        self.last_plan = Some(plan);
        Ok(plan)
    }

    /// The table's columns.
    pub fn schema(&self) -> Result<SchemaRef, DeltaError> {
        let schema: Schema = self.snapshot.schema().as_ref().try_into_arrow()?;
        Ok(Arc::new(schema))
    }

    pub fn active_files(&mut self) -> Result<Arc<[ActiveFile]>, DeltaError> {
        if let Some(files) = &self.files {
            return Ok(Arc::clone(files));
        }
        let scan = self.scan()?;
        let mut files = Vec::new();
        for found in scan.scan_metadata(&*self.engine)? {
            files.extend(actions::active_files(&found?)?);
        }
        let files: Arc<[ActiveFile]> = files.into();
        self.files = Some(Arc::clone(&files));
        Ok(files)
    }

    /// Adds the files, if the table carries neither `plan` nor a later one.
    pub fn append(&mut self, plan: u64, files: &[DataFile]) -> Result<(), DeltaError> {
        let version = i64::try_from(plan).map_err(|_| DeltaError::PlanTooLarge(plan))?;
        self.at_next_place(|log| {
            if let Some(last) = log.last_plan()?.filter(|last| *last >= plan) {
                return Err(DeltaError::PlanDone { plan, last });
            }
            let mut transaction = Arc::clone(&log.snapshot)
                .update_table(UpdateTableOperation::Write, ENGINE, true)
                .with_transaction_id(APPLICATION, version)
                .build(&*log.engine, committer())?;
            if !files.is_empty() {
                transaction.add_files(actions::additions(&*log.schema()?, files)?);
            }
            let committed = log.settle(transaction.commit(&*log.engine)?)?;
            log.move_on(&committed, Some(plan))
        })
    }

    /// Replaces `removed` by `added`, which hold the same rows, if the table still has all of them.
    pub fn rewrite(&mut self, removed: &[ActiveFile], added: &[DataFile]) -> Result<(), DeltaError> {
        let paths: HashSet<&str> = removed.iter().map(|file| file.path.as_str()).collect();
        self.at_next_place(|log| {
            let mut transaction = Arc::clone(&log.snapshot)
                .update_table(UpdateTableOperation::Optimize, ENGINE, false)
                .build(&*log.engine, committer())?;
            let mut found = 0;
            for listed in log.scan()?.scan_metadata(&*log.engine)? {
                let ScanMetadata { scan_files, .. } = listed?;
                let chosen = actions::choose(&scan_files, |path| paths.contains(path))?;
                let count = chosen.iter().filter(|chosen| **chosen).count();
                if count > 0 {
                    found += count;
                    let (actions, _) = scan_files.into_parts();
                    transaction.remove_files(FilteredEngineData::try_new(actions, chosen)?);
                }
            }
            if found < paths.len() {
                return Err(DeltaError::Replaced);
            }
            transaction.add_files(actions::additions(&*log.schema()?, added)?);
            let committed = log.settle(transaction.commit(&*log.engine)?)?;
            log.move_on(&committed, None)
        })
    }

    /// Tries to take the log's next place, and the one after it where another writer was quicker. Each attempt sees all
    /// that was committed before its place, so it can tell whether it still holds; and no place looks free because its
    /// commit was cleaned up since we last looked.
    fn at_next_place(&mut self, attempt: impl Fn(&mut Self) -> Result<(), DeltaError>) -> Result<(), DeltaError> {
        for _ in 0..PLACES_TRIED {
            self.advance()?;
            match attempt(self) {
                Err(DeltaError::Conflict) => {}
                outcome => return outcome,
            }
        }
        Err(DeltaError::Conflict)
    }

    fn scan(&self) -> KernelResult<Scan> {
        Arc::clone(&self.snapshot).scan_builder().without_row_transforms().build()
    }

    /// Is there no version after ours? Ours itself is gone when somebody has cleaned up long after it.
    fn is_newest(&self) -> Result<bool, DeltaError> {
        let version = self.version();
        Ok(self.has_commit(version)? && !self.has_commit(version + 1)?)
    }

    fn has_commit(&self, version: u64) -> Result<bool, DeltaError> {
        match self.engine.storage_handler().head(&commit_url(self.snapshot.table_root(), version)?) {
            Ok(_) => Ok(true),
            Err(KernelError::FileNotFound(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn settle(&self, result: CommitResult) -> Result<CommittedTransaction, DeltaError> {
        match result {
            CommitResult::Committed(committed) => Ok(committed),
            CommitResult::Conflicted(_) => Err(DeltaError::Conflict),
            CommitResult::Retryable(retryable) => Err(DeltaError::Passing(retryable.error.to_string())),
        }
    }

    /// The commit stands: nothing from here on may make it look as if it did not.
    fn move_on(&mut self, committed: &CommittedTransaction, plan: Option<u64>) -> Result<(), DeltaError> {
        match committed.post_commit_snapshot() {
            Some(snapshot) => {
                self.snapshot = Arc::clone(snapshot);
                self.last_plan = plan.map(Some).or(self.last_plan);
                self.files = None;
            }
            None => self.advance()?,
        }
        if committed.post_commit_stats().commits_since_checkpoint >= COMMITS_BETWEEN_CHECKPOINTS {
            match self.snapshot.checkpoint(&*self.engine, None) {
                Ok((_, snapshot)) => self.snapshot = snapshot,
                Err(error) => {
                    let table = self.snapshot.table_root().as_str();
                    tracing::warn!(table, "no checkpoint of {table}, the next commit tries again: {error}");
                }
            }
        }
        Ok(())
    }

    /// What the layout has gained since the table was made. A table may have more than we know: then a newer release
    /// made it.
    fn missing_columns(&self, rows: &Schema) -> Result<Vec<StructField>, DeltaError> {
        let table = self.schema()?;
        let wanted: StructType = rows.try_into_kernel()?;
        let mut missing = Vec::new();
        for (field, column) in wanted.fields().zip(rows.fields()) {
            match table.field_with_name(column.name()) {
                Ok(known) if known.data_type() == column.data_type() => {}
                Ok(known) => {
                    return Err(DeltaError::Layout {
                        column: column.name().clone(),
                        table: known.data_type().clone(),
                        layout: column.data_type().clone(),
                    });
                }
                Err(_) => missing.push(StructField::nullable(column.name(), field.data_type().clone())),
            }
        }
        Ok(missing)
    }

    fn add_missing_columns(&mut self, rows: &Schema) -> Result<(), DeltaError> {
        let missing = self.missing_columns(rows)?;
        if missing.is_empty() {
            return Ok(());
        }
        let builder = Arc::clone(&self.snapshot).update_table(UpdateTableOperation::AlterTable, ENGINE, false);
        let builder = missing.into_iter().fold(builder, |builder, field| builder.add_column(field));
        let transaction = builder.build(&*self.engine, committer())?;
        let committed = self.settle(transaction.commit(&*self.engine)?)?;
        self.move_on(&committed, None)
    }
}

/// Writes the log's next file if nobody has. The store makes it durable.
fn committer() -> Box<dyn Committer> {
    Box::new(FileSystemCommitter::new())
}

/// Writes the log's first file. By hand, since the kernel would ask for more of readers than our tables need.
fn create(url: &Url, rows: &Schema, engine: &dyn Engine) -> Result<(), DeltaError> {
    let mut fields: Vec<Arc<Field>> = rows.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(layout::DATE, DataType::Date32, true)));
    let schema: StructType = (&Schema::new(Fields::from(fields))).try_into_kernel()?;
    let protocol = json!({ "protocol": { "minReaderVersion": 1, "minWriterVersion": 2 } });
    let metadata = json!({ "metaData": {
        "id": Uuid::new_v4().to_string(),
        "format": { "provider": "parquet", "options": {} },
        "schemaString": serde_json::to_string(&schema).map_err(KernelError::from)?,
        "partitionColumns": [layout::DATE],
        "configuration": Map::from_iter(PROPERTIES.map(|(name, value)| (name.to_owned(), Value::from(value)))),
        "createdTime": now_ms(),
    } });
    let first = format!("{protocol}\n{metadata}\n");
    match engine.storage_handler().put(&commit_url(url, 0)?, first.into(), false) {
        // Another process made it meanwhile.
        Ok(()) | Err(KernelError::FileAlreadyExists(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn commit_url(table: &Url, version: u64) -> Result<Url, DeltaError> {
    Ok(table.join(&format!("{FOLDER}/{version:020}.json"))?)
}
