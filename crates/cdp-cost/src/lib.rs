//! What a deployment on AWS costs: of a load, by what the functions were measured to consume (`consumption.toml`), at list prices
//! (`prices.toml`). Pure arithmetic; it asks nobody.
//!
//! The pages of it follow the road: the stream, ingest, the tables' upkeep, the front, and what watches all of them.

mod load;
mod plan;
mod wire;

mod stream;

mod ingest;
mod tables;

mod front;
mod watch;

mod bill;
mod consumption;
mod prices;
mod stack;

pub use bill::{Bill, Service, Term};
pub use consumption::{Consumption, NotConsumption};
pub use load::{Capacity, Load};
pub use plan::{Plan, cheapest, least};
pub use prices::{NoPrices, Price, Prices};

/// As the AWS pricing calculator counts it.
const HOURS_A_MONTH: f64 = 730.0;
const SECONDS_A_MONTH: f64 = HOURS_A_MONTH * 3600.0;
const GIB: f64 = (1u64 << 30) as f64;
