//! A deployment that nothing runs: files come in, people and tables can be asked for.

use serde_json::{Value, json};

use crate::cdp::Shop;

const PEOPLE: &str = "user_id,email,city\njane,jane@example.com,Lyon\nsam,sam@example.com,Oslo\n,,\n";

fn with_people() -> Shop {
    let shop = Shop::new();
    let file = shop.file("people.csv", PEOPLE);
    let reports = shop.cdp(["drop".as_ref(), file.as_os_str(), "--format".as_ref(), "json".as_ref()]).succeeds().json();
    assert_eq!((&reports[0]["taken"], &reports[0]["refused"]), (&json!(2), &json!(1)), "{reports}");
    shop
}

#[test]
fn a_dropped_person_is_found_by_each_name() {
    let shop = with_people();
    let found = |name: &str| shop.cdp(["profile", name, "--format", "json"]).succeeds().json();
    let person = found("user_id:jane");
    assert_eq!(person["traits"]["city"]["value"], "Lyon", "{person}");
    assert_eq!(found("email:jane@example.com")["id"], person["id"]);
}

#[test]
fn tables_are_printed_in_each_format() {
    let shop = with_people();
    let ask = |format| {
        let query = "select user_id, 1 as n from events where user_id is not null order by user_id";
        shop.cdp(["query", query, "--format", format]).succeeds().stdout()
    };
    assert_eq!(ask("csv"), "user_id,n\njane,1\nsam,1\n");
    let rows: Value = serde_json::from_str(&ask("json")).expect("JSON");
    assert_eq!(rows, json!([{"user_id": "jane", "n": 1}, {"user_id": "sam", "n": 1}]));
    assert!(ask("table").contains("jane"), "{}", ask("table"));
}

#[test]
fn an_answer_without_rows_says_so_to_people() {
    let shop = Shop::new();
    for (format, said) in [("table", "(no rows)\n"), ("csv", ""), ("json", "")] {
        let answer = shop.cdp(["query", "select user_id from events", "--format", format]).succeeds();
        assert_eq!(answer.stderr(), said, "{format}");
    }
}

#[test]
fn lists_and_structs_are_json_in_json() {
    let shop = Shop::new();
    let query = "select [1, null] as list, [{a: 'x', b: [true]}] as nested, {a: 1.5} as object, null as nothing";
    let rows = shop.cdp(["query", query, "--format", "json"]).succeeds().json();
    let expected =
        json!([{"list": [1, null], "nested": [{"a": "x", "b": [true]}], "object": {"a": 1.5}, "nothing": null}]);
    assert_eq!(rows, expected);
}

#[test]
fn a_refused_row_is_listed_shown_and_replayed_once() {
    let shop = Shop::new();
    let events = shop.file("events.jsonl", "{\"type\":\"track\",\"event\":\"Seen\",\"userId\":\"null\"}\n");
    shop.cdp(["drop".as_ref(), events.as_os_str()]).succeeds();
    let refused = shop.cdp(["quarantine", "list", "--format", "json"]).succeeds().json();
    assert_eq!(refused[0]["reason"], "blocked_identifiers", "{refused}");
    let position = refused[0]["position"].as_str().expect("a position");
    let shown = shop.cdp(["quarantine", "show", position]).succeeds().stdout();
    assert!(!shown.is_empty());
    let replay = || shop.cdp(["quarantine", "replay", "--format", "csv"]).succeeds().stdout();
    assert_eq!(replay(), "replayed,replayed_before\n1,0\n");
    assert_eq!(replay(), "replayed,replayed_before\n0,1\n");
}

#[test]
fn refused_rows_are_listed_by_reason_source_and_time() {
    let shop = with_people();
    let count = |chosen: &[&str]| {
        let list = ["quarantine", "list", "--format", "json"];
        let rows = shop.cdp(list.iter().chain(chosen)).succeeds().json();
        rows.as_array().map(Vec::len)
    };
    for chosen in [&["--source", "partner"][..], &["--since", "2001-01-01", "--reason", "no_identifier"]] {
        assert_eq!(count(chosen), Some(1), "{chosen:?}");
    }
    for chosen in [["--source", "o'neil"], ["--since", "2101-01-01"], ["--since", "2101-01-01T00:00:00Z"]] {
        assert_eq!(count(&chosen), Some(0), "{chosen:?}");
    }
    shop.cdp(["quarantine", "list", "--since", "yesterday"]).fails(2, "--since");
}

#[test]
fn a_refused_row_of_a_file_is_told_what_helps() {
    let shop = Shop::new();
    let file = shop.file("people.csv", "user_id,email\njane,jane@example.com\n,\nsam,sam@example.com,more\n");
    shop.cdp(["drop".as_ref(), file.as_os_str()]).succeeds();
    for (reason, remedy) in [("no_identifier", "give the field a value"), ("bad_row", "correct the row and drop it")] {
        let rows = shop.cdp(["quarantine", "list", "--reason", reason, "--format", "json"]).succeeds().json();
        assert!(rows[0]["remedy"].as_str().is_some_and(|told| told.starts_with(remedy)), "{rows}");
    }
}

/// Days are written so.
fn with_days(shop: &Shop, format: &str) {
    let path = shop.dir().join("cdp.toml");
    let settings = std::fs::read_to_string(&path).expect("settings");
    let (before, _) = settings.split_once("\n[drops.partner.mapping]").unwrap_or((&settings, ""));
    let mapping = format!("user_id = 'id'\nevent = 'Order'\ntime = {{ column = 'day', format = '{format}' }}\n");
    std::fs::write(path, format!("{before}\n[drops.partner.mapping]\n{mapping}")).expect("written");
}

/// What is replayed, and how many rows come with their file only.
fn replayed(shop: &Shop) -> (String, usize) {
    let done = shop.cdp(["quarantine", "replay", "--format", "csv"]).succeeds();
    let of_files = done.stderr().split_once(" more are rows of files").map(|(before, _)| before.to_owned());
    let of_files = of_files.and_then(|before| before.split_whitespace().last()?.parse().ok());
    (done.stdout().lines().nth(1).unwrap_or_default().to_owned(), of_files.unwrap_or(0))
}

fn dropped(shop: &Shop, name: &str, text: &str) -> (Value, Value) {
    let file = shop.file(name, text);
    let reports = shop.cdp(["drop".as_ref(), file.as_os_str(), "--format".as_ref(), "json".as_ref()]).succeeds().json();
    (reports[0]["taken"].clone(), reports[0]["refused"].clone())
}

#[test]
fn a_line_of_csv_comes_again_once_its_mapping_is_mended() {
    let shop = Shop::new();
    with_days(&shop, "YYYY-MM-DD");
    let orders = "id;day\njane;2026-01-31\nsam;31.01.2026\nkim;soon\n";
    assert_eq!(dropped(&shop, "orders.csv", orders), (json!(1), json!(2)));
    assert_eq!(replayed(&shop), ("0,0".to_owned(), 2), "by the same mapping");
    with_days(&shop, "DD.MM.YYYY");
    assert_eq!(replayed(&shop), ("1,0".to_owned(), 1));
    assert_eq!(replayed(&shop), ("0,1".to_owned(), 1));
    assert_eq!(dropped(&shop, "again.csv", orders), (json!(1), json!(2)), "its content is known");
}

/// What validation refuses, too, is not sent as it is: another mapping may mend it.
#[test]
fn a_row_waits_for_the_mapping_that_makes_an_event_of_it() {
    let shop = Shop::new();
    let orders =
        "{\"id\":\"sam\",\"day\":\"31.01.2026\"}\n{\"type\":\"track\",\"event\":\"Seen\",\"userId\":\"kim\"}\n";
    assert_eq!(dropped(&shop, "orders.jsonl", orders), (json!(1), json!(1)));
    assert_eq!(replayed(&shop), ("0,0".to_owned(), 1));
    with_days(&shop, "DD.MM.YYYY");
    assert_eq!(replayed(&shop), ("1,0".to_owned(), 0));
}

/// Its first KiB has as many fields as a whole one.
#[test]
fn a_row_of_which_only_the_head_is_kept_is_not_replayed() {
    let shop = Shop::new();
    let orders = format!("id;day;note\njane;2026-01-31;x\nsam;2026-01-31;{}\n", "long ".repeat(300_000));
    with_days(&shop, "YYYY-MM-DD");
    assert_eq!(dropped(&shop, "orders.csv", &orders), (json!(1), json!(1)));
    assert_eq!(replayed(&shop), ("0,0".to_owned(), 1));
}

#[test]
fn rows_of_which_none_was_taken_come_again_with_their_file_or_without_it() {
    let orders = "id;day\nsam;31.01.2026\nkim;01.02.2026\n";
    for is_replayed_first in [false, true] {
        let shop = Shop::new();
        with_days(&shop, "YYYY-MM-DD");
        assert_eq!(dropped(&shop, "orders.csv", orders), (json!(0), json!(2)));
        with_days(&shop, "DD.MM.YYYY");
        if is_replayed_first {
            assert_eq!(replayed(&shop), ("2,0".to_owned(), 0));
            assert_eq!(dropped(&shop, "again.csv", orders), (json!(0), json!(2)), "nothing comes twice");
        } else {
            assert_eq!(dropped(&shop, "again.csv", orders), (json!(2), json!(0)));
            assert_eq!(replayed(&shop), ("0,0".to_owned(), 2), "nothing comes twice");
        }
    }
}

#[test]
fn the_proof_holds_and_is_printed_in_each_format() {
    let shop = with_people();
    assert_eq!(shop.cdp(["verify", "--format", "json"]).succeeds().json()["holds"], true);
    assert!(shop.cdp(["verify", "--format", "csv"]).succeeds().stdout().starts_with("check,holds,"));
    shop.cdp(["verify"]).succeeds();
}

#[test]
fn the_same_file_twice_changes_nothing() {
    let shop = with_people();
    for (name, saying) in [
        ("again.csv", "again.csv: its content was taken before, as people.csv"),
        ("people.csv", "people.csv: this file was dropped before, nothing is changed; its report is of 20"),
    ] {
        let told = shop.cdp(["drop".as_ref(), shop.file(name, PEOPLE).as_os_str()]).succeeds().stderr();
        assert!(told.contains(saying), "{told}");
    }
    assert_eq!(
        shop.cdp(["query", "select count(*) as n from events", "--format", "csv"]).succeeds().stdout(),
        "n\n2\n"
    );
}

#[test]
fn a_sound_deployment_says_what_it_comes_to() {
    let rows = Shop::new().cdp(["check", "--format", "json"]).succeeds().json();
    let what: Vec<_> = rows.as_array().expect("rows").iter().filter_map(|row| row["what"].as_str()).collect();
    assert_eq!(what, ["stream", "api source", "drop source", "identity rules", "token"]);
}

#[test]
fn a_deployment_that_never_ran_has_empty_tables() {
    let shop = Shop::new();
    assert_eq!(
        shop.cdp(["query", "select count(*) as n from people", "--format", "csv"]).succeeds().stdout(),
        "n\n0\n"
    );
    shop.cdp(["quarantine", "list"]).succeeds();
}
