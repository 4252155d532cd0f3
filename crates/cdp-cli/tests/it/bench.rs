//! The benches, on so few events that only their outcome counts.

use std::ffi::OsStr;

use serde_json::Value;

use crate::cdp::cdp;

/// Runs a bench and reads the document that it wrote.
fn document(arguments: &[&str]) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("figures/bench.json");
    let arguments = arguments.iter().map(OsStr::new);
    cdp([OsStr::new("bench")].into_iter().chain(arguments).chain([OsStr::new("--json"), file.as_os_str()])).succeeds();
    serde_json::from_slice(&std::fs::read(&file).expect("it was written")).expect("JSON")
}

fn figure<'d>(document: &'d Value, name: &str) -> &'d Value {
    let mut figures = document["figures"].as_array().expect("figures").iter();
    figures.find(|figure| figure["name"] == name).unwrap_or_else(|| panic!("no {name} in {document}"))
}

#[test]
fn road_tells_each_stage_with_its_share() {
    let found = document(&["road", "--people", "300"]);
    assert_eq!(figure(&found, "accepted")["value"], 600);
    let shares = ["append", "read", "decode", "resolve", "apply", "land", "checkpoint", "commit"]
        .map(|stage| figure(&found, stage)["share_percent"].as_f64().expect("a share"));
    assert!((99.0..101.0).contains(&shares.iter().sum::<f64>()), "{shares:?}");
    assert_eq!(found["parameters"]["people"], 300);
}

#[test]
fn profiles_finds_everybody_again() {
    let found = document(&["profiles", "--people", "300", "--lookups", "900"]);
    assert_eq!(figure(&found, "accepted")["value"], 600);
    assert_eq!(figure(&found, "lookup_p99")["unit"], "ms");
    assert!(figure(&found, "state_on_disk")["value"].as_f64() > Some(0.0), "{found}");
}

#[test]
fn http_waits_until_a_platform_of_its_own_has_everything_in_its_tables() {
    let found = document(&["http", "--people", "300"]);
    assert_eq!((&figure(&found, "events")["value"], &figure(&found, "requests")["value"]), (&600.into(), &6.into()));
    assert!(figure(&found, "events_per_second_ingested")["value"].as_f64() > Some(0.0), "{found}");
}

#[test]
fn lookup_finds_the_people_that_it_sent() {
    let found = document(&["lookup", "--people", "300", "--rate", "200", "--seconds", "1"]);
    assert_eq!((&figure(&found, "lookups")["value"], &figure(&found, "not_found")["value"]), (&200.into(), &0.into()));
}
