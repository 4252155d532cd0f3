//! What can go wrong with a table, and which fault that is to a caller.

use std::io;
use std::path::PathBuf;

use arrow::datatypes::DataType;
use cdp_ports::{FaultKind, PortError};

use crate::fault::{fault_of, remedy};

#[derive(Debug, thiserror::Error)]
pub enum DeltaError {
    #[error("there is no table at {0}")]
    NoTable(String),
    #[error("{0:?} is no folder that a URL can name")]
    NoFolder(PathBuf),
    #[error("{0:?} is no URL of a bucket")]
    NoBucket(String),
    #[error("there are no AWS credentials, or no region: give the process a role, or set AWS_PROFILE and AWS_REGION")]
    NoAccount,
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("no thread for the Delta log: {0}")]
    Threads(io::Error),
    #[error("Delta log: {0}{remedy}", remedy = remedy(.0))]
    Log(#[from] delta_kernel::KernelError),
    #[error("{0}{remedy}", remedy = remedy(.0))]
    Store(#[from] object_store::Error),
    #[error("Parquet: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    #[error("rows: {0}")]
    Rows(#[from] arrow::error::ArrowError),
    #[error("{0} would be a file without rows")]
    NoRows(String),
    #[error("the statistics of {0} are no JSON: {1}")]
    Stats(String, serde_json::Error),
    #[error("another writer came first")]
    Conflict,
    #[error("another compaction has replaced the files")]
    Replaced,
    #[error("the table carries plan {last}, so plan {plan} happened, or never will")]
    PlanDone { plan: u64, last: u64 },
    #[error("plan {0} does not fit a txn version")]
    PlanTooLarge(u64),
    #[error("the log could not be written, it may work later: {0}")]
    Passing(String),
    #[error(
        "column {column} is {table} in the table and {layout} in this release: was the table written by another product?"
    )]
    Layout { column: String, table: DataType, layout: DataType },
}

impl DeltaError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    /// Which fault it is to a caller: what to do next.
    pub fn kind(&self) -> FaultKind {
        match self {
            Self::NoTable(_) => FaultKind::Missing,
            Self::Conflict | Self::Replaced | Self::PlanDone { .. } => FaultKind::Stale,
            Self::Passing(_) => FaultKind::Busy,
            Self::Log(error) => fault_of(error),
            Self::Store(error) => fault_of(error),
            Self::Rows(_) | Self::NoRows(_) | Self::Layout { .. } | Self::Stats(..) | Self::PlanTooLarge(_) => {
                FaultKind::Refused
            }
            Self::NoBucket(_) => FaultKind::Refused,
            Self::NoAccount => FaultKind::Broken,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => FaultKind::Missing,
            Self::Io { .. } | Self::Threads(_) | Self::Parquet(_) | Self::NoFolder(_) => FaultKind::Broken,
        }
    }

    pub(crate) fn at_port(self, action: impl Into<String>) -> PortError {
        PortError::because(self.kind(), action, self)
    }
}

impl From<url::ParseError> for DeltaError {
    fn from(error: url::ParseError) -> Self {
        Self::Log(error.into())
    }
}
