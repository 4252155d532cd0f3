//! A deployment is built anew from the lake of another one: its events and its people are the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cdp::Shop;

/// All but where a row is, and which profile it belongs to: those are the deployment's own.
const EVENTS: &str = "select timestamp, type, event, name, user_id, anonymous_id, group_id, previous_id, message_id, source, \
    received_at, original_timestamp, sent_at, page_url, page_path, page_referrer, campaign_name, campaign_source, \
    campaign_medium, device_type, ip, locale, library_name, revenue, currency, order_id, properties, traits, context \
    from events order by message_id, timestamp, anonymous_id, user_id";
const PEOPLE: &str = "select created_at, first_seen, last_seen, events, traits, identifiers, counts \
    from people order by identifiers";
const COUNT: &str = "select count(*) as n from events";

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/clickstream/sample.jsonl.gz")
}

fn old_shop() -> Shop {
    let shop = Shop::new();
    shop.cdp(["drop".as_ref(), sample().as_os_str()]).succeeds();
    shop
}

/// With one shard, so that all events are taken in in one order, as those of one file are.
fn new_shop() -> Shop {
    let shop = Shop::new();
    let settings = shop.dir().join("cdp.toml");
    let text = fs::read_to_string(&settings).expect("there");
    fs::write(&settings, text.replacen("shards = 2", "shards = 1", 1)).expect("written");
    shop
}

fn ask(shop: &Shop, query: &str) -> String {
    shop.cdp(["query", query, "--format", "csv"]).succeeds().stdout()
}

fn replay(shop: &Shop, from: &Path) -> u64 {
    let arguments = ["replay".as_ref(), "--from".as_ref(), from.as_os_str(), "--format".as_ref(), "json".as_ref()];
    let rows = shop.cdp(arguments).succeeds().json();
    rows[0]["replayed"].as_u64().expect("a number")
}

#[track_caller]
fn wait_until_same(new: &Shop, old: &Shop) {
    let began = Instant::now();
    while ask(new, COUNT) != ask(old, COUNT) {
        assert!(began.elapsed() < Duration::from_secs(60), "{}, not {}", ask(new, COUNT), ask(old, COUNT));
        std::thread::sleep(Duration::from_millis(200));
    }
    for query in [EVENTS, PEOPLE] {
        let (found, expected) = (ask(new, query), ask(old, query));
        let differs = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
        assert!(found == expected, "{differs:?}");
    }
}

#[test]
fn a_deployment_that_is_built_from_another_ones_lake_has_its_events_and_people() {
    let (old, new) = (old_shop(), new_shop());
    let events = replay(&new, &old.dir());
    assert_eq!(ask(&old, COUNT), format!("n\n{events}\n"));
    assert_eq!(replay(&new, &old.dir().join("lake")), events, "the same command again is the same replay");
    let up = new.up();
    wait_until_same(&new, &old);
    let again = new.cdp(["replay".as_ref(), "--from".as_ref(), old.dir().as_os_str()]).succeeds();
    assert!(again.stderr().contains("was done before"), "{}", again.stderr());
    new.cdp(["verify"]).succeeds();
    assert_eq!(up.stop(), Some(0));
    wait_until_same(&new, &old);
}

#[test]
fn it_goes_on_while_the_platform_runs() {
    let (old, new) = (old_shop(), new_shop());
    let up = new.up();
    replay(&new, &old.dir());
    wait_until_same(&new, &old);
    assert_eq!(up.stop(), Some(0));
}

#[test]
fn events_are_chosen_by_their_time_and_source() {
    let old = old_shop();
    let count = |more: &[&str]| {
        let (shop, from) = (new_shop(), old.dir());
        let arguments = ["replay", "--from", from.to_str().expect("text"), "--format", "json"];
        let rows = shop.cdp(arguments.iter().chain(more)).succeeds().json();
        rows[0]["replayed"].as_u64().expect("a number")
    };
    let all = count(&[]);
    assert_eq!((count(&["--until", "2001-01-01"]), count(&["--since", "2001-01-01"])), (0, all));
    assert_eq!((count(&["--source", "partner"]), count(&["--source", "nobody"])), (all, 0));
}

#[test]
fn its_own_lake_and_what_is_no_lake_are_refused() {
    let (old, new) = (old_shop(), new_shop());
    let replay = |from: &Path| old.cdp(["replay".as_ref(), "--from".as_ref(), from.as_os_str()]);
    replay(&old.dir()).fails(2, "would be counted twice");
    replay(&old.dir().join("lake").join("..").join("lake")).fails(2, "would be counted twice");
    replay(&new.dir()).fails(2, "neither a deployment nor a lake");
    replay(&new.file("a-file", "")).fails(2, "neither a deployment nor a lake");
    new.cdp(["replay", "--from", old.dir().to_str().expect("text"), "--since", "yesterday"]).fails(2, "or a date");
}
