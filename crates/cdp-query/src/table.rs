//! A table of the lake as DataFusion scans it: the files of its newest version.

use std::sync::Arc;

use adapter_delta::{ActiveFile, DeltaError, DeltaLake};
use arrow::datatypes::{DataType, Field, SchemaRef};
use async_trait::async_trait;
use cdp_lake::layout;
use cdp_ports::TableName;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::DataFusionError;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use object_store::ObjectMeta;

#[derive(Debug)]
pub(crate) struct LakeTable {
    schema: SchemaRef,
    columns: TableSchema,
    files: Vec<PartitionedFile>,
}

impl LakeTable {
    pub fn newest(lake: &DeltaLake, table: TableName) -> Result<Self, DeltaError> {
        let newest = lake.newest(table)?;
        let date = Arc::new(Field::new(layout::DATE, DataType::Date32, true));
        let columns = TableSchema::builder(newest.columns).with_table_partition_cols(vec![date]).build();
        let root = lake.table_root(table);
        let files = newest.files.iter().map(|file| partitioned(&root, file)).collect::<Result<_, _>>()?;
        Ok(Self { schema: Arc::clone(columns.table_schema()), columns, files })
    }
}

fn partitioned(root: &std::path::Path, file: &ActiveFile) -> Result<PartitionedFile, DeltaError> {
    let path = root.join(&file.path);
    let absolute = std::path::absolute(&path).map_err(|source| DeltaError::Io { path: path.clone(), source })?;
    let location = object_store::path::Path::from_absolute_path(&absolute).map_err(|_| DeltaError::NoFolder(path))?;
    let meta = ObjectMeta { location, last_modified: Default::default(), size: file.bytes, e_tag: None, version: None };
    let mut partitioned = PartitionedFile::from(meta);
    partitioned.partition_values = vec![date(&file.date)];
    Ok(partitioned)
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
        Arc::clone(&self.schema)
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
        let mut source = ParquetSource::new(self.columns.clone()).with_pushdown_filters(true);
        if let Some(filter) = conjunction(filters.to_vec()) {
            let columns = DFSchema::try_from(Arc::clone(&self.schema))?;
            source = source.with_predicate(session.create_physical_expr(filter, &columns)?);
        }
        let parallel = session.config_options().execution.target_partitions.max(1);
        let groups = FileGroup::new(self.files.clone()).split_files(parallel);
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())
            .map_err(|error: DataFusionError| error.context("projection of a lake table"))?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
