use cdp_cost::{Bill, Capacity, Consumption, Load, Plan, Prices, Service, cheapest, least};
use cdp_event::MAX_EVENTS_OF_A_RECORD;
use clap::{Args, ValueEnum};
use serde_json::{Number, Value};

use crate::fault::Fault;
use crate::output::{Format, Rows};

const SECONDS_A_MONTH: f64 = 730.0 * 3600.0;

/// Tells what a deployment on AWS costs, in dollars a million events.
///
/// By what the functions were measured to consume, at list prices, without free tiers. It asks nobody: consumption and prices are
/// part of this binary.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cdp cost\n  cdp cost --events-per-second 250 --events-per-call 20 --lookups-per-second 50\n  \
    cdp cost --events-per-second 1000 --terms --format csv\n  \
    cdp cost --least\n  cdp cost --events-per-record 100 --wait 300 --kept-days 1 --state provisioned\n\n\
    A growth of a month is what its events leave behind, stored for one more month.\n\
    Not counted: SQL over the tables, data out of AWS, and keys of your own."
)]
pub struct Cost {
    /// Several rates are several columns.
    #[arg(long, value_delimiter = ',', default_values_t = [100.0, 1000.0, 10_000.0], value_parser = positive)]
    events_per_second: Vec<f64>,
    /// As producers send it.
    #[arg(long, default_value_t = 1200.0, value_parser = positive)]
    event_bytes: f64,
    /// How often somebody asks for a profile.
    #[arg(long, default_value_t = 0.0, value_parser = not_negative)]
    lookups_per_second: f64,
    /// Events come by the HTTP API, so many in a call. Without it, producers put them into the stream.
    #[arg(long, value_parser = positive)]
    events_per_call: Option<f64>,
    /// Producers compress so many events into a record. Without it, each event is a record.
    #[arg(long, value_parser = of_a_record, conflicts_with = "events_per_call")]
    events_per_record: Option<f64>,
    /// However old profiles may be, whatever is promised for a year, and if producers compress: the least that it can cost, and by
    /// which of these settings.
    #[arg(long, conflicts_with_all = ["events_per_record", "wait", "kept_days", "state"])]
    least: bool,
    /// How long a batch may wait to fill, in seconds: longer is cheaper, and later.
    #[arg(long, default_value_t = 5.0, value_parser = positive)]
    wait: f64,
    /// How long the stream keeps its records.
    #[arg(long, default_value_t = 7.0, value_parser = positive)]
    kept_days: f64,
    /// How DynamoDB is paid.
    #[arg(long, value_enum, default_value_t)]
    state: State,
    #[arg(long, default_value = "us-east-1", help = of_regions())]
    region: String,
    /// A line for each thing that is paid, with its quantity in a month.
    #[arg(long)]
    terms: bool,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum State {
    /// By the request.
    #[default]
    OnDemand,
    /// By the hour, scaled with the load to run at 70 %.
    Provisioned,
    /// As provisioned, promised for a year and paid partly in advance.
    Reserved,
}

impl From<State> for Capacity {
    fn from(state: State) -> Self {
        match state {
            State::OnDemand => Self::OnDemand,
            State::Provisioned => Self::Provisioned,
            State::Reserved => Self::Reserved,
        }
    }
}

/// As `--state` takes it.
const fn name(capacity: Capacity) -> &'static str {
    match capacity {
        Capacity::OnDemand => "on-demand",
        Capacity::Provisioned => "provisioned",
        Capacity::Reserved => "reserved",
    }
}

/// A rate, how it is best run, and what that costs.
struct Estimate {
    load: Load,
    plan: Plan,
    bill: Bill,
}

fn of_regions() -> String {
    let regions = Prices::regions().unwrap_or_default().join(", ");
    format!("Whose prices: there are those of {regions}. They are kept in crates/cdp-cost/src/prices.toml")
}

impl Cost {
    pub fn run(self) -> Result<(), Fault> {
        let prices = Prices::of(&self.region).map_err(Fault::wrong)?;
        let consumption = Consumption::measured().map_err(Fault::wrong)?;
        let estimates = self.events_per_second.iter().map(|&events_per_second| {
            let load = self.load(events_per_second);
            if self.least {
                let (load, plan, bill) = least(&load, &consumption, &prices);
                return Estimate { load, plan, bill };
            }
            let (plan, bill) = cheapest(&load, &consumption, &prices);
            Estimate { load, plan, bill }
        });
        let estimates: Vec<Estimate> = estimates.collect();
        let rows = if self.terms { terms(&estimates) } else { services(&estimates) };
        Ok(rows.print(self.format)?)
    }

    fn load(&self, events_per_second: f64) -> Load {
        Load {
            events_per_second,
            event_bytes: self.event_bytes,
            lookups_per_second: self.lookups_per_second,
            events_per_call: self.events_per_call,
            events_per_record: self.events_per_record,
            wait_s: self.wait,
            kept_days: self.kept_days,
            state: self.state.into(),
        }
    }
}

impl Estimate {
    fn a_million(&self, dollars: f64) -> f64 {
        dollars / (self.load.events_per_second * SECONDS_A_MONTH / 1e6)
    }

    fn stream(&self) -> String {
        match self.plan {
            Plan { on_demand: true, .. } => "on demand".to_owned(),
            Plan { shards: 1.0, .. } => "1 shard".to_owned(),
            Plan { shards, .. } => format!("{shards} shards"),
        }
    }
}

fn services(estimates: &[Estimate]) -> Rows {
    let mut columns = vec!["dollars a million events".to_owned()];
    columns.extend(estimates.iter().map(|estimate| format!("{} a second", estimate.load.events_per_second)));
    let mut rows = Rows { columns, rows: vec![] };
    let mut push = |name: &str, cell: &dyn Fn(&Estimate) -> Value| {
        rows.push([name.into()].into_iter().chain(estimates.iter().map(cell)));
    };
    for service in Service::ALL {
        push(&service.to_string(), &|estimate| dollars(estimate.a_million(estimate.bill.dollars_of(service)), 4));
    }
    push("all", &|estimate| dollars(estimate.a_million(estimate.bill.dollars()), 4));
    push("dollars a month", &|estimate| dollars(estimate.bill.dollars(), 2));
    push("stream", &|estimate| estimate.stream().into());
    push("keeps records, days", &|estimate| count(estimate.load.kept_days, 1));
    push("events of a record", &|estimate| count(estimate.load.events_per_record.unwrap_or(1.0), 0));
    push("units of DynamoDB", &|estimate| name(estimate.load.state).into());
    push("events of a batch", &|estimate| count(estimate.plan.events_per_batch, 0));
    push("wait of a batch, seconds", &|estimate| count(estimate.plan.wait_s, 1));
    rows
}

fn terms(estimates: &[Estimate]) -> Rows {
    let mut rows = Rows::new(&[
        "events a second",
        "service",
        "what",
        "quantity a month",
        "unit",
        "dollars a month",
        "dollars a million events",
    ]);
    for estimate in estimates {
        for term in &estimate.bill.terms {
            rows.push([
                count(estimate.load.events_per_second, 2),
                term.service.to_string().into(),
                term.what.into(),
                count(term.quantity, 2),
                term.unit.as_str().into(),
                dollars(term.dollars, 2),
                dollars(estimate.a_million(term.dollars), 4),
            ]);
        }
    }
    rows
}

fn dollars(value: f64, digits: i32) -> Value {
    Number::from_f64(rounded(value, digits)).map_or(Value::Null, Value::Number)
}

/// A whole number has no digits behind the point.
fn count(value: f64, digits: i32) -> Value {
    let rounded = rounded(value, digits);
    if rounded.fract() == 0.0 { Value::from(rounded as i64) } else { dollars(rounded, digits) }
}

fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    // A sum of nothing is -0.
    (value * scale).round() / scale + 0.0
}

fn positive(text: &str) -> Result<f64, String> {
    not_negative(text).and_then(|number| if number > 0.0 { Ok(number) } else { Err("use a number above 0".to_owned()) })
}

fn of_a_record(text: &str) -> Result<f64, String> {
    let most = MAX_EVENTS_OF_A_RECORD;
    positive(text)
        .and_then(|events| if events <= most as f64 { Ok(events) } else { Err(format!("use {most} at most")) })
}

fn not_negative(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|number: &f64| number.is_finite() && *number >= 0.0)
        .ok_or_else(|| "use a number from 0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_whole_where_it_is_and_dollars_are_not() {
        assert_eq!(
            (count(500.0, 0), count(4.6, 0), count(730.0, 2), count(0.25, 1)),
            (500.into(), 5.into(), 730.into(), 0.3.into())
        );
        assert_eq!((dollars(12.0, 2), dollars(-0.0, 4)), (12.0.into(), 0.0.into()));
    }

    #[test]
    fn the_help_says_whose_prices_there_are() {
        assert!(of_regions().contains("us-east-1"), "{}", of_regions());
    }
}
