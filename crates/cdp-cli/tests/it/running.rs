//! A deployment that `cdp up` runs: the other commands work beside it, by the same words.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

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
