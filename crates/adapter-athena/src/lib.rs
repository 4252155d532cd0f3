//! Warehouse as Athena: statements in one workgroup, over one database of the Glue catalog. Where answers are kept, and how
//! much a statement may read, is the workgroup's setting.

mod warehouse;

mod execution;
mod rows;

pub use warehouse::AthenaWarehouse;
