//! What a bench found: a table for people, a JSON document for whoever compares runs.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use cdp_ports::Clock;
use clap::Args;
use serde_json::{Map, Value, json};

use super::measure::Usage;
use crate::fault::Fault;
use crate::output::{Format, Rows};
use adapter_machine::Machine;

/// Where a report goes.
#[derive(Debug, Args)]
pub struct Output {
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Writes figures with their units, parameters, version, machine and date into this file too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug)]
pub struct Report {
    bench: &'static str,
    parameters: Map<String, Value>,
    figures: Vec<Figure>,
}

#[derive(Debug)]
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    share_percent: Option<f64>,
}

impl Report {
    pub fn of(bench: &'static str) -> Self {
        Self { bench, parameters: Map::new(), figures: vec![] }
    }

    pub fn parameter(&mut self, name: &str, value: impl Into<Value>) {
        self.parameters.insert(name.to_owned(), value.into());
    }

    pub fn figure(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.figures.push(Figure { name: name.into(), value, unit, share_percent: None });
    }

    pub fn count(&mut self, name: &str, count: u64) {
        self.figure(name, count as f64, "");
    }

    pub fn seconds(&mut self, name: &str, took: Duration) {
        self.figure(name, took.as_secs_f64(), "s");
    }

    /// So many of something in that time.
    pub fn rate(&mut self, name: &str, count: u64, took: Duration) {
        self.figure(name, (count as f64 / took.as_secs_f64()).round(), "1/s");
    }

    /// CPU, and what it comes to for so many events: the figure that says most on a machine that others use too.
    pub fn cpu(&mut self, name: &str, usage: &Usage, events: u64) {
        if let Some(cpu) = usage.cpu() {
            self.seconds(name, cpu);
            self.figure(format!("{name}_per_million"), cpu.as_secs_f64() / (events as f64 / 1e6), "s");
        }
    }

    pub fn peak_memory(&mut self, name: &str, usage: &Usage) {
        if let Some(bytes) = usage.peak_memory() {
            self.megabytes(name, bytes);
        }
    }

    pub fn megabytes(&mut self, name: &str, bytes: u64) {
        self.figure(name, bytes as f64 / 1e6, "MB");
    }

    /// Parts of a whole: each with its share of their sum.
    pub fn parts(&mut self, parts: &[(&str, Duration)]) {
        let total: Duration = parts.iter().map(|(_, took)| *took).sum();
        for (name, took) in parts {
            let share = took.as_secs_f64() / total.as_secs_f64().max(f64::MIN_POSITIVE) * 100.0;
            let share_percent = Some((share * 10.0).round() / 10.0);
            self.figures.push(Figure { name: (*name).to_owned(), value: took.as_secs_f64(), unit: "s", share_percent });
        }
    }

    pub fn publish(&self, output: &Output) -> Result<(), Fault> {
        if cfg!(debug_assertions) {
            tracing::warn!("this is a debug build: its figures say little; build with --release");
        }
        self.rows().print(output.format)?;
        let Some(path) = &output.json else { return Ok(()) };
        let failed = |error| Fault::wrong(format!("--json {}: {error}; choose another file", path.display()));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        fs::write(path, format!("{:#}\n", self.document())).map_err(failed)
    }

    fn rows(&self) -> Rows {
        let has_shares = self.figures.iter().any(|figure| figure.share_percent.is_some());
        let mut rows = Rows::new(&["figure", "value", "unit", "share_percent"][..if has_shares { 4 } else { 3 }]);
        for Figure { name, value, unit, share_percent } in &self.figures {
            let share = has_shares.then(|| share_percent.map_or(Value::Null, number));
            rows.push([name.as_str().into(), number(*value), (*unit).into()].into_iter().chain(share));
        }
        rows
    }

    fn document(&self) -> Value {
        json!({
            "bench": self.bench,
            "version": env!("CARGO_PKG_VERSION"),
            "build": if cfg!(debug_assertions) { "debug" } else { "release" },
            "date": Machine.now().to_string(),
            "machine": {
                "os": std::env::consts::OS,
                "architecture": std::env::consts::ARCH,
                "cpus": std::thread::available_parallelism().map_or(0, usize::from),
            },
            "parameters": self.parameters,
            "figures": self.figures.iter().map(document_of).collect::<Vec<_>>(),
        })
    }
}

fn document_of(Figure { name, value, unit, share_percent }: &Figure) -> Value {
    let mut figure = json!({ "name": name, "value": number(*value), "unit": unit });
    if let Some(share) = share_percent {
        figure["share_percent"] = number(*share);
    }
    figure
}

/// Four digits behind the point are more than a bench is good for; a whole number has none.
fn number(value: f64) -> Value {
    let rounded = (value * 1e4).round() / 1e4;
    if rounded.fract() == 0.0 { json!(rounded as i64) } else { json!(rounded) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_told_with_their_share_of_the_sum() {
        let mut report = Report::of("road");
        report.parts(&[("decode", Duration::from_secs(3)), ("land", Duration::from_secs(1))]);
        let shares = report.figures.iter().map(|figure| figure.share_percent);
        assert_eq!(shares.collect::<Vec<_>>(), [Some(75.0), Some(25.0)]);
    }

    #[test]
    fn the_document_names_units_parameters_and_the_machine() {
        let mut report = Report::of("road");
        report.parameter("shards", 2);
        report.count("events", 1_000_000);
        report.figure("f1", 0.952_13, "");
        let document = report.document();
        assert_eq!(document["parameters"], json!({ "shards": 2 }));
        assert_eq!(document["figures"][0], json!({ "name": "events", "value": 1_000_000, "unit": "" }));
        assert_eq!(document["figures"][1]["value"], json!(0.9521));
        assert!(document["machine"]["cpus"].as_u64() > Some(0), "{document}");
    }
}
