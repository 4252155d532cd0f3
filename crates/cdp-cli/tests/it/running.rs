//! A deployment that `cdp up` runs: the other commands work beside it, by the same words.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use cdp_event::Timestamp;
use serde_json::json;

use crate::cdp::{Shop, Up};

#[test]
fn commands_work_while_it_runs_as_when_it_does_not() {
    let shop = Shop::new();
    let up = shop.up();
    send(&up, &shop.write_key, &json!({ "type": "identify", "userId": "jane", "messageId": "m-1" }));
    wait_until(|| shop.cdp(["profile", "user_id:jane"]).code() == Some(0));
    let file = shop.file("people.csv", "user_id,email\nsam,sam@example.com\n");
    shop.cdp(["drop".as_ref(), file.as_os_str()]).succeeds();
    let events = ["query", "select count(*) as n from events", "--format", "csv"];
    wait_until(|| shop.cdp(events).succeeds().stdout() == "n\n2\n");
    shop.cdp(["verify"]).succeeds();
    shop.cdp(["check"]).succeeds();
    assert_eq!(up.stop(), Some(0));
    assert_eq!(shop.cdp(events).succeeds().stdout(), "n\n2\n");
    shop.cdp(["profile", "user_id:jane"]).succeeds();
    shop.cdp(["verify"]).succeeds();
}

#[test]
fn many_files_are_taken_in_together_and_each_failure_is_told() {
    let shop = Shop::new();
    let up = shop.up();
    let name = |n: usize| if n % 4 == 2 { format!("book-{n}.csv") } else { format!("people-{n}.csv") };
    let text = |n: usize| if n % 4 == 2 { format!("PK\u{3}\u{4}\0{n}") } else { format!("user_id\nu{n}\n") };
    let files: Vec<_> = (0..11).map(|n| shop.file(&name(n), &text(n)).into_os_string()).collect();
    let drop = ["drop", "--format", "json"].map(OsString::from).into_iter().chain(files);
    let outcome = shop.cdp(drop).fails(1, "");
    let rows = outcome.json();
    // A file lies still for a while before it is read: all were put before the first one was over.
    let all = || rows.as_array().expect("rows").iter();
    let put_ms = all().filter_map(|row| row["modified_ns"].as_i64()).max().expect("files") / 1_000_000;
    let over = all().filter_map(|row| row["finished"].as_str()?.parse::<Timestamp>().ok()).min().expect("reports");
    assert!(put_ms < over.as_ms(), "one after the other: {rows}");
    let told = |row: &serde_json::Value| [row["file"].clone(), row["status"].clone()];
    let told: Vec<_> = rows.as_array().expect("rows").iter().map(told).collect();
    let status = |n: usize| if n % 4 == 2 { "refused" } else { "done" };
    assert_eq!(told, (0..11).map(|n| [json!(name(n)), json!(status(n))]).collect::<Vec<_>>());
    let failures: Vec<_> = outcome.stderr().lines().map(str::to_owned).collect();
    let of_book = |n| format!("cdp: {}: it is a ZIP archive or an Excel workbook, not CSV, JSON or Parquet", name(n));
    assert_eq!(failures, [2, 6, 10].map(of_book));

    let file = shop.file("people-0.csv", &text(0));
    let again = shop.cdp(["drop".as_ref(), file.as_os_str()]).succeeds().stderr();
    assert!(again.contains("people-0.csv: this file was dropped before"), "{again}");
    let dropped = shop.dir().join("drops/partner/people-0.csv");
    std::fs::remove_file(&dropped).expect("there");
    let other = shop.file("people-0.csv", "user_id\nother\nand another\n");
    let rows = shop.cdp(["drop".as_ref(), other.as_os_str(), "--format".as_ref(), "json".as_ref()]).succeeds().json();
    assert_eq!((&rows[0]["rows"], dropped.exists()), (&json!(2), true), "not the report of the one before: {rows}");
    assert_eq!(up.stop(), Some(0));
}

#[test]
fn one_process_runs_a_deployment_and_the_second_is_told_which() {
    let shop = Shop::new();
    let up = shop.up();
    shop.cdp(["up", "--listen", "127.0.0.1:0"]).fails(3, &format!("at {}; stop that one first", up.address));
}

#[test]
fn an_address_that_is_taken_is_named_with_the_remedy() {
    let (shop, other) = (Shop::new(), Shop::new());
    let up = other.up();
    shop.cdp(["up", "--listen", &up.address]).fails(3, "choose another address with --listen");
}

fn send(up: &Up, write_key: &str, event: &serde_json::Value) {
    let body = json!({ "batch": [event], "writeKey": write_key }).to_string();
    let mut stream = TcpStream::connect(&up.address).expect("it listens");
    let head = format!(
        "POST /v1/batch HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        up.address,
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn wait_until(holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "it takes too long");
        std::thread::sleep(Duration::from_millis(200));
    }
}
