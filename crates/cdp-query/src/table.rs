//! A table of the lake as DataFusion scans it: those files of its newest version that a filter may want.

use std::fmt;
use std::sync::Arc;

use adapter_delta::{ActiveFile, DeltaError, DeltaLake};
use arrow::datatypes::{DataType, Field, SchemaRef};
use async_trait::async_trait;
use cdp_lake::layout;
use cdp_ports::TableName;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, Result, ScalarValue, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::DataFusionError;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use object_store::ObjectMeta;

use crate::prune;

pub(crate) struct LakeTable {
    lake: Arc<DeltaLake>,
    name: TableName,
    columns: TableSchema,
    files: Arc<[ActiveFile]>,
}

/// What the store of a session's lake is registered as.
pub(crate) fn store_url() -> Result<ObjectStoreUrl> {
    ObjectStoreUrl::parse("lake://tables")
}

impl fmt::Debug for LakeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LakeTable").field("name", &self.name).finish_non_exhaustive()
    }
}

impl LakeTable {
    /// Waits for what the log is read from.
    pub fn newest(lake: Arc<DeltaLake>, name: TableName) -> Result<Self, DeltaError> {
        let newest = lake.newest(name)?;
        let date = Arc::new(Field::new(layout::DATE, DataType::Date32, true));
        let columns = TableSchema::builder(newest.columns).with_table_partition_cols(vec![date]).build();
        Ok(Self { lake, name, columns, files: newest.files })
    }

    fn files(&self, filter: Option<&Arc<dyn PhysicalExpr>>) -> Result<Vec<&ActiveFile>> {
        let Some(filter) = filter else { return Ok(self.files.iter().collect()) };
        let dates = self.files.iter().map(|file| date(&file.date)).collect();
        let is_kept = prune::may_match(filter, self.columns.table_schema(), &self.files, dates)?;
        Ok(self.files.iter().zip(is_kept).filter_map(|(file, is_kept)| is_kept.then_some(file)).collect())
    }

    fn partitioned(&self, file: &ActiveFile) -> Result<PartitionedFile> {
        let location = self.lake.object(self.name, &file.path);
        let location = location.map_err(|error| DataFusionError::External(error.into()))?;
        let meta =
            ObjectMeta { location, last_modified: Default::default(), size: file.bytes, e_tag: None, version: None };
        let mut partitioned = PartitionedFile::from(meta);
        partitioned.partition_values = vec![date(&file.date)];
        Ok(partitioned)
    }

    fn statistics(&self, files: &[&ActiveFile]) -> Statistics {
        let is_counted = files.iter().all(|file| !file.stats.is_empty());
        let total = |of: fn(&ActiveFile) -> u64| files.iter().map(|file| of(file)).sum::<u64>() as usize;
        let mut statistics = Statistics::new_unknown(self.columns.table_schema());
        statistics.num_rows = if is_counted { Precision::Exact(total(|file| file.rows)) } else { Precision::Absent };
        statistics.total_byte_size = Precision::Inexact(total(|file| file.bytes));
        statistics
    }
}

/// `2026-01-31` as days since 1970.
fn date(text: &str) -> ScalarValue {
    let epoch = jiff::civil::Date::constant(1970, 1, 1);
    let days =
        text.parse::<jiff::civil::Date>().ok().and_then(|date| date.since(epoch).ok()).map(|span| span.get_days());
    ScalarValue::Date32(days)
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.columns.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns = DFSchema::try_from(self.schema())?;
        let filter = conjunction(filters.to_vec()).map(|filter| session.create_physical_expr(filter, &columns));
        let filter = filter.transpose()?;
        let files = self.files(filter.as_ref())?;
        if files.is_empty() {
            let columns =
                projection.map_or_else(|| Ok(self.schema()), |kept| self.schema().project(kept).map(Arc::new));
            return Ok(Arc::new(EmptyExec::new(columns?)));
        }

        let store = store_url()?;
        let runtime = session.runtime_env();
        let footers = runtime.cache_manager.get_file_metadata_cache();
        let reader = CachedParquetFileReaderFactory::new(runtime.object_store(&store)?, footers);
        let mut source = ParquetSource::new(self.columns.clone())
            .with_pushdown_filters(true)
            .with_parquet_file_reader_factory(Arc::new(reader));
        if let Some(filter) = filter {
            source = source.with_predicate(filter);
        }
        let statistics = self.statistics(&files);
        let files = files.into_iter().map(|file| self.partitioned(file)).collect::<Result<_>>()?;
        let parallel = session.config_options().execution.target_partitions.max(1);
        let config = FileScanConfigBuilder::new(store, Arc::new(source))
            .with_file_groups(FileGroup::new(files).split_files(parallel))
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())
            .map_err(|error: DataFusionError| error.context("projection of a lake table"))?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
