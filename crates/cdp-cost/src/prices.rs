//! List prices, by region.

use std::collections::BTreeMap;

use serde::Deserialize;

const LIST: &str = include_str!("prices.toml");

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Price {
    pub dollars: f64,
    /// So many units for the dollars.
    pub per: f64,
    pub unit: String,
    pub page: String,
    pub confirmed: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// When they were looked up.
    pub date: String,

    pub shard_hours: Price,
    pub put_units: Price,
    pub shard_hours_kept: Price,
    pub stream_hours: Price,
    pub stream_gib_in: Price,
    pub stream_gib_out: Price,
    pub stream_gib_months_kept: Price,

    pub calls: Price,
    pub gib_seconds: Price,

    pub write_units: Price,
    pub read_units: Price,
    pub write_unit_hours: Price,
    pub read_unit_hours: Price,
    pub write_unit_hours_reserved: Price,
    pub read_unit_hours_reserved: Price,
    pub state_gib_months: Price,
    pub state_gib_months_recoverable: Price,

    pub dear_requests: Price,
    pub cheap_requests: Price,
    pub lake_gib_months: Price,

    pub api_calls: Price,

    pub log_gib: Price,
    pub metrics: Price,
    pub alarms: Price,
    pub dashboards: Price,
    pub traces: Price,
    pub secrets: Price,
}

#[derive(Debug, thiserror::Error)]
pub enum NoPrices {
    #[error(
        "there are no prices of {wanted:?}, only of {known}; they are part of this binary: to have more, add a table to \
         crates/cdp-cost/src/prices.toml and build it anew"
    )]
    Of { wanted: String, known: String },
    #[error("prices.toml can't be read: {0}")]
    Syntax(#[from] Box<toml::de::Error>),
}

impl Prices {
    pub fn of(region: &str) -> Result<Self, NoPrices> {
        let mut list = list()?;
        list.remove(region).ok_or_else(|| NoPrices::Of {
            wanted: region.to_owned(),
            known: list.into_keys().collect::<Vec<_>>().join(", "),
        })
    }

    /// Those whose prices there are.
    pub fn regions() -> Result<Vec<String>, NoPrices> {
        Ok(list()?.into_keys().collect())
    }
}

fn list() -> Result<BTreeMap<String, Prices>, NoPrices> {
    Ok(toml::from_str(LIST).map_err(Box::new)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_without_prices_is_told_with_those_that_have() {
        let error = Prices::of("mars-north-1").expect_err("nobody is there").to_string();
        assert!(error.contains("mars-north-1") && error.contains("us-east-1"), "{error}");
    }

    #[test]
    fn prices_are_as_they_were_looked_up() {
        let prices = Prices::of("us-east-1").expect("they are there");
        for (price, dollars, per) in [
            (&prices.write_units, 0.625, 1e6),
            (&prices.read_units, 0.125, 1e6),
            (&prices.shard_hours, 0.015, 1.0),
            (&prices.gib_seconds, 0.000_016_666_7, 1.0),
            (&prices.dear_requests, 0.005, 1000.0),
        ] {
            assert_eq!((price.dollars, price.per), (dollars, per), "{}", price.unit);
            assert!(price.page.starts_with("https://aws.amazon.com/") && price.confirmed, "{}", price.unit);
        }
    }
}
