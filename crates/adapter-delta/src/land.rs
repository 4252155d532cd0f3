//! Landing: rows become a data file that no version of its table names yet. The table's log has no part in it.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use cdp_lake::encode::TableFile;
use cdp_lake::layout;
use cdp_ports::{Batches, DataFile, Landing, PortResult, TableName};

use crate::DeltaError;
use crate::bucket::{Bucket, BucketTable};
use crate::kernel::Threads;
use crate::per_table::PerTable;
use crate::place::{Draft, Place, now_ms};

/// A lake's tables for one who only lands files in them: `s3:PutObject` is enough. Asks nobody anything before.
pub struct DeltaLanding {
    tables: PerTable<BucketTable>,
}

impl DeltaLanding {
    pub fn in_bucket(bucket: &Bucket) -> Result<Self, DeltaError> {
        let threads = Arc::new(Threads::start()?);
        Ok(Self { tables: PerTable::try_of(|table| bucket.table(table.as_str(), Arc::clone(&threads)))? })
    }
}

impl Landing for DeltaLanding {
    async fn put(&self, table: TableName, date: &str, name: &str, rows: Batches<'_>) -> PortResult<DataFile> {
        put(self.tables.of(table), table, date, name, rows)
    }
}

pub(crate) fn put(
    place: &dyn Place,
    table: TableName,
    date: &str,
    name: &str,
    rows: Batches<'_>,
) -> PortResult<DataFile> {
    write(place, date, name, rows).map_err(|error| error.at_port(format!("put {name} of {table}")))
}

fn write(place: &dyn Place, date: &str, name: &str, rows: Batches<'_>) -> Result<DataFile, DeltaError> {
    let Some(first) = rows.next().transpose()? else { return Err(DeltaError::NoRows(name.to_owned())) };
    let mut file = NewDataFile::begin(place, date, name, first.schema())?;
    file.write(&first)?;
    for batch in rows {
        file.write(&batch?)?;
    }
    file.finish()
}

/// A data file in the making: there once it is finished.
pub(crate) struct NewDataFile {
    rows: TableFile<Box<dyn Draft>>,
    /// Relative to the table's root.
    path: String,
    date: String,
}

impl NewDataFile {
    /// For rows of one date.
    pub fn begin(place: &dyn Place, date: &str, name: &str, columns: SchemaRef) -> Result<Self, DeltaError> {
        let path = format!("{}={date}/{name}.parquet", layout::DATE);
        let draft = place.begin(&path)?;
        Ok(Self { rows: TableFile::new(columns, draft)?, path, date: date.to_owned() })
    }

    pub fn write(&mut self, rows: &RecordBatch) -> Result<(), DeltaError> {
        Ok(self.rows.write(rows)?)
    }

    pub fn finish(self) -> Result<DataFile, DeltaError> {
        let Self { rows, path, date } = self;
        let (draft, summary) = rows.finish()?;
        let bytes = draft.publish()?;
        Ok(DataFile { path, date, rows: summary.rows, bytes, stats: summary.stats, written_at_ms: now_ms() })
    }
}
