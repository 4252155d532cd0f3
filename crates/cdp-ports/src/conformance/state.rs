//! What [`State`] promises.

use bytes::Bytes;

use super::{assert_fault, both, run_each};
use crate::{Condition, FaultKind, Item, Key, MAX_TRANSACTION_ITEMS, PortResult, State, Transaction, Version, Write};
use Condition::{Absent, Any, At};

/// `make`: an empty store.
pub async fn all<S: State>(make: impl AsyncFn() -> S) {
    run_each!(make:
        a_new_item_starts_at_version_1,
        a_put_where_absent_was_expected_is_stale_over_an_item,
        a_put_at_the_newest_version_makes_the_next,
        a_put_at_another_version_is_stale,
        a_put_at_a_version_of_nothing_is_stale,
        a_repeat_of_our_own_put_is_stale,
        a_put_under_any_condition_makes_the_next_version,
        a_delete_at_the_newest_version_removes_the_item,
        a_delete_at_another_version_is_stale,
        a_delete_of_nothing_passes_unless_a_version_was_expected,
        an_item_deleted_and_made_again_starts_at_version_1,
        a_check_that_holds_changes_nothing,
        a_check_that_fails_refuses_the_others,
        one_failed_condition_leaves_all_as_it_was,
        all_writes_of_a_transaction_take_effect,
        an_empty_body_is_a_body,
        a_hundred_items_are_one_transaction,
        more_than_a_hundred_items_are_refused,
        a_key_twice_is_refused,
        a_key_outside_of_its_limits_is_refused,
        a_key_at_its_limits_is_taken,
        of_two_writers_at_one_version_one_is_stale,
        transactions_committed_together_stand_and_fail_alone,
        many_transactions_are_committed_together,
        get_answers_in_the_order_asked_with_gaps,
        get_answers_any_number_of_keys,
        peek_answers_in_the_order_asked_what_stood_once,
        keys_with_equal_parts_are_told_apart,
        query_answers_in_the_order_of_sort_keys,
        query_answers_one_partition_only,
        query_answers_what_starts_with_the_prefix,
        query_goes_on_after_a_sort_key,
        query_answers_no_more_than_the_limit,
        query_in_pages_answers_each_item_once,
        query_sees_every_commit_and_delete,
    );
}

pub async fn a_new_item_starts_at_version_1(state: &impl State) {
    for (name, condition, durable) in [("a", Absent, false), ("b", Any, false), ("c", Absent, true), ("d", Any, true)] {
        let writes = vec![put(name, "body", condition)];
        state.commit(Transaction { writes, durable }).await.expect("nothing is there yet");
        assert_eq!(get(state, name).await, Some((1, "body".into())), "{name}");
    }
}

pub async fn a_put_where_absent_was_expected_is_stale_over_an_item(state: &impl State) {
    commit(state, [put("a", "first", Absent)]).await.expect("nothing is there yet");
    assert_fault(commit(state, [put("a", "second", Absent)]).await, FaultKind::Stale, "an item is there");
    assert_eq!(get(state, "a").await, Some((1, "first".into())));
}

pub async fn a_put_at_the_newest_version_makes_the_next(state: &impl State) {
    commit(state, [put("a", "1", Absent)]).await.expect("nothing is there yet");
    for version in 1..20 {
        let body = (version + 1).to_string();
        commit(state, [put("a", &body, At(version))]).await.expect("the version is the newest");
        assert_eq!(get(state, "a").await, Some((version + 1, body)));
    }
}

pub async fn a_put_at_another_version_is_stale(state: &impl State) {
    commit(state, [put("a", "1", Absent)]).await.expect("nothing is there yet");
    commit(state, [put("a", "2", At(1))]).await.expect("the version is the newest");
    for other in [0, 1, 3, Version::MAX] {
        assert_fault(commit(state, [put("a", "no", At(other))]).await, FaultKind::Stale, &format!("at {other}, not 2"));
    }
    assert_eq!(get(state, "a").await, Some((2, "2".into())));
}

pub async fn a_put_at_a_version_of_nothing_is_stale(state: &impl State) {
    for version in [0, 1] {
        assert_fault(commit(state, [put("a", "no", At(version))]).await, FaultKind::Stale, "nothing is there");
    }
    assert_eq!(get(state, "a").await, None);
}

pub async fn a_repeat_of_our_own_put_is_stale(state: &impl State) {
    let first = [put("a", "1", Absent)];
    commit(state, first.clone()).await.expect("nothing is there yet");
    assert_fault(commit(state, first).await, FaultKind::Stale, "the same put again");
    let second = [put("a", "2", At(1))];
    commit(state, second.clone()).await.expect("the version is the newest");
    assert_fault(commit(state, second).await, FaultKind::Stale, "the same put again");
    assert_eq!(get(state, "a").await, Some((2, "2".into())));
}

pub async fn a_put_under_any_condition_makes_the_next_version(state: &impl State) {
    for version in 1..4 {
        commit(state, [put("a", "body", Any)]).await.expect("any condition holds");
        assert_eq!(get(state, "a").await, Some((version, "body".into())));
    }
}

pub async fn a_delete_at_the_newest_version_removes_the_item(state: &impl State) {
    for condition in [At(1), Any] {
        commit(state, [put("a", "body", Absent)]).await.expect("nothing is there");
        commit(state, [delete("a", condition)]).await.expect("the item stands at version 1");
        assert_eq!(get(state, "a").await, None, "{condition:?}");
    }
}

pub async fn a_delete_at_another_version_is_stale(state: &impl State) {
    commit(state, [put("a", "1", Absent)]).await.expect("nothing is there yet");
    commit(state, [put("a", "2", At(1))]).await.expect("the version is the newest");
    for condition in [At(0), At(1), At(3), Absent] {
        let outcome = commit(state, [delete("a", condition)]).await;
        assert_fault(outcome, FaultKind::Stale, &format!("{condition:?}, and the item stands at 2"));
    }
    assert_eq!(get(state, "a").await, Some((2, "2".into())));
}

pub async fn a_delete_of_nothing_passes_unless_a_version_was_expected(state: &impl State) {
    commit(state, [delete("a", Any)]).await.expect("any condition holds");
    commit(state, [delete("a", Absent)]).await.expect("nothing is there");
    assert_fault(commit(state, [delete("a", At(1))]).await, FaultKind::Stale, "nothing is there");
    assert_eq!(get(state, "a").await, None);
}

pub async fn an_item_deleted_and_made_again_starts_at_version_1(state: &impl State) {
    for condition in [Absent, Any] {
        commit(state, [put("a", "1", Absent)]).await.expect("nothing is there");
        commit(state, [put("a", "2", At(1))]).await.expect("the version is the newest");
        commit(state, [delete("a", At(2))]).await.expect("the version is the newest");
        commit(state, [put("a", "again", condition)]).await.expect("nothing is there");
        assert_eq!(get(state, "a").await, Some((1, "again".into())), "{condition:?}");
        commit(state, [delete("a", At(1))]).await.expect("the version is the newest");
    }
}

pub async fn a_check_that_holds_changes_nothing(state: &impl State) {
    commit(state, [put("there", "body", Absent)]).await.expect("nothing is there yet");
    for (case, checks) in [
        ("alone", vec![check("there", At(1)), check("missing", Absent)]),
        ("any", vec![check("there", Any), check("missing", Any)]),
        ("beside a write", vec![check("there", At(1)), put("other", "body", Any), check("missing", Absent)]),
    ] {
        commit(state, checks).await.expect(case);
        assert_eq!(get(state, "there").await, Some((1, "body".into())), "{case}");
        assert_eq!(get(state, "missing").await, None, "{case}");
    }
}

pub async fn a_check_that_fails_refuses_the_others(state: &impl State) {
    commit(state, [put("there", "body", Absent)]).await.expect("nothing is there yet");
    for failing in [check("there", Absent), check("there", At(2)), check("missing", At(1))] {
        let outcome = commit(state, [put("new", "body", Absent), failing.clone()]).await;
        assert_fault(outcome, FaultKind::Stale, &format!("{failing:?}"));
        assert_eq!(get(state, "new").await, None, "{failing:?}");
    }
}

pub async fn one_failed_condition_leaves_all_as_it_was(state: &impl State) {
    let old = || [put("old", "old", Absent), put("doomed", "old", Absent), put("other", "old", Absent)];
    commit(state, old()).await.expect("nothing is there yet");
    for failing in [put("other", "no", Absent), delete("other", At(7)), check("other", At(7))] {
        for place in 0..=3 {
            let mut writes = vec![put("new", "new", Absent), put("old", "new", At(1)), delete("doomed", At(1))];
            writes.insert(place, failing.clone());
            assert_fault(commit(state, writes).await, FaultKind::Stale, &format!("{failing:?} in place {place}"));
            assert_eq!(get(state, "new").await, None);
            for name in ["old", "doomed", "other"] {
                assert_eq!(get(state, name).await, Some((1, "old".into())), "{name}, {failing:?} in place {place}");
            }
        }
    }
}

pub async fn all_writes_of_a_transaction_take_effect(state: &impl State) {
    commit(state, [put("old", "1", Absent), put("doomed", "1", Absent)]).await.expect("nothing is there yet");
    let elsewhere = Key::new("another partition", "item");
    let far = Write::Put { key: elsewhere.clone(), body: Bytes::from_static(b"far"), condition: Absent };
    let writes = [put("new", "1", Absent), put("old", "2", At(1)), delete("doomed", At(1)), far];
    commit(state, writes).await.expect("all conditions hold");
    assert_eq!(get(state, "new").await, Some((1, "1".into())));
    assert_eq!(get(state, "old").await, Some((2, "2".into())));
    assert_eq!(get(state, "doomed").await, None);
    let found = state.get(std::slice::from_ref(&elsewhere)).await.expect("get");
    assert_eq!(found, [Some(Item { key: elsewhere, version: 1, body: Bytes::from_static(b"far") })]);
}

pub async fn an_empty_body_is_a_body(state: &impl State) {
    commit(state, [put("a", "", Absent)]).await.expect("nothing is there yet");
    assert_eq!(get(state, "a").await, Some((1, String::new())));
    assert_fault(commit(state, [put("a", "", Absent)]).await, FaultKind::Stale, "an item is there");
}

pub async fn a_hundred_items_are_one_transaction(state: &impl State) {
    let writes: Vec<Write> = (0..MAX_TRANSACTION_ITEMS).map(|n| put(&format!("{n:03}"), "body", Absent)).collect();
    commit(state, writes).await.expect("as many as a transaction may touch");
    let items = state.query(PARTITION, "", None, 200).await.expect("query");
    assert_eq!(items.len(), MAX_TRANSACTION_ITEMS);
}

pub async fn more_than_a_hundred_items_are_refused(state: &impl State) {
    let writes: Vec<Write> = (0..=MAX_TRANSACTION_ITEMS).map(|n| put(&format!("{n:03}"), "body", Absent)).collect();
    assert_fault(commit(state, writes).await, FaultKind::Refused, "one item too many");
    assert_eq!(names(state.query(PARTITION, "", None, 200).await), Vec::<String>::new());
}

pub async fn a_key_twice_is_refused(state: &impl State) {
    let twice = [
        [put("a", "1", Any), put("a", "2", Any)],
        [put("a", "1", Any), delete("a", Any)],
        [check("a", Absent), put("a", "1", Absent)],
        [check("a", Any), check("a", Any)],
    ];
    for writes in twice {
        let case = format!("{writes:?}");
        assert_fault(commit(state, writes).await, FaultKind::Refused, &case);
        assert_eq!(get(state, "a").await, None, "{case}");
    }
}

pub async fn a_key_outside_of_its_limits_is_refused(state: &impl State) {
    let long = "k".repeat(1025);
    for bad in ["", "with\0NUL", &long] {
        for key in [Key::new(bad, "sort"), Key::new("partition", bad)] {
            let writes = [Write::Put { key, body: Bytes::new(), condition: Any }, put("good", "body", Any)];
            assert_fault(commit(state, writes).await, FaultKind::Refused, &format!("a part of {} bytes", bad.len()));
            assert_eq!(get(state, "good").await, None);
        }
    }
}

pub async fn a_key_at_its_limits_is_taken(state: &impl State) {
    let key = Key::new("p".repeat(1024), "s".repeat(1024));
    let write = Write::Put { key: key.clone(), body: Bytes::from_static(b"body"), condition: Absent };
    commit(state, [write]).await.expect("1 KiB each");
    let found = state.get(std::slice::from_ref(&key)).await.expect("get");
    assert_eq!(found, [Some(Item { key, version: 1, body: Bytes::from_static(b"body") })]);
}

pub async fn of_two_writers_at_one_version_one_is_stale(state: &impl State) {
    commit(state, [put("a", "0", Absent)]).await.expect("nothing is there yet");
    for version in 1..50 {
        let writer = |body| commit(state, [put("a", body, At(version)), put(body, "mine", Any)]);
        let outcomes = both(writer("left"), writer("right")).await;
        let winner = match outcomes {
            (Ok(()), Err(error)) if error.is_stale() => "left",
            (Err(error), Ok(())) if error.is_stale() => "right",
            outcomes => panic!("two writers at version {version}: {outcomes:?}"),
        };
        assert_eq!(get(state, "a").await, Some((version + 1, winner.into())));
    }
    let wins = async |name| get(state, name).await.map_or(0, |(version, _)| version);
    assert_eq!(wins("left").await + wins("right").await, 49, "what a stale writer wrote beside is not there");
}

pub async fn transactions_committed_together_stand_and_fail_alone(state: &impl State) {
    commit(state, [put("held", "1", Absent)]).await.expect("nothing is there yet");
    let outcomes = state
        .commit_each(vec![
            one([put("first", "1", Absent), put("beside", "1", Any)]),
            one([put("unseen", "no", Any), put("held", "2", Absent)]),
            one(vec![put("many", "no", Any); MAX_TRANSACTION_ITEMS + 1]),
            one([check("held", At(1)), put("last", "1", Absent)]),
        ])
        .await;
    let kinds: Vec<_> = outcomes.into_iter().map(|outcome| outcome.err().map(|error| error.kind)).collect();
    assert_eq!(kinds, [None, Some(FaultKind::Stale), Some(FaultKind::Refused), None]);
    for (name, version) in [("first", 1), ("beside", 1), ("last", 1), ("held", 1)] {
        assert_eq!(get(state, name).await, Some((version, "1".into())), "{name}");
    }
    for name in ["unseen", "many"] {
        assert_eq!(get(state, name).await, None, "{name}");
    }
}

pub async fn many_transactions_are_committed_together(state: &impl State) {
    for round in 0..3 {
        let condition = if round == 0 { Absent } else { At(round) };
        let transactions = (0..700).map(|n| one([put(&format!("{n:04}"), &round.to_string(), condition)])).collect();
        let outcomes = state.commit_each(transactions).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 700);
    }
    assert_eq!(get(state, "0699").await, Some((3, "2".into())));
    assert!(state.commit_each(vec![]).await.is_empty());
}

pub async fn get_answers_in_the_order_asked_with_gaps(state: &impl State) {
    commit(state, [put("a", "of a", Absent), put("b", "of b", Absent), put("c", "of c", Absent)]).await.expect("new");
    let keys = ["c", "missing", "a", "b", "a", "gone"].map(key);
    let found = state.get(&keys).await.expect("get");
    let bodies: Vec<Option<String>> = found.iter().map(|item| item.as_ref().map(body_of)).collect();
    let expected = [Some("of c"), None, Some("of a"), Some("of b"), Some("of a"), None];
    assert_eq!(bodies, expected.map(|body| body.map(str::to_owned)));
    for (asked, item) in keys.iter().zip(&found) {
        assert!(item.as_ref().is_none_or(|item| item.key == *asked), "{asked} answered by {item:?}");
    }
    assert_eq!(state.get(&[]).await.expect("get nothing"), []);
}

pub async fn get_answers_any_number_of_keys(state: &impl State) {
    fill(state, 250).await;
    let keys: Vec<Key> = (0..250).rev().map(|n| key(&format!("{n:04}"))).collect();
    let found = state.get(&keys).await.expect("get");
    let answered: Vec<Key> = found.into_iter().flatten().map(|item| item.key).collect();
    assert_eq!(answered, keys);
}

pub async fn peek_answers_in_the_order_asked_what_stood_once(state: &impl State) {
    commit(state, [put("a", "1", Absent)]).await.expect("nothing is there yet");
    commit(state, [put("a", "2", At(1))]).await.expect("the version is the newest");
    let keys: Vec<Key> = (0..300).map(|n| key(&format!("n{n}"))).chain(["a", "b", "a"].map(key)).collect();
    let items = state.peek(&keys).await.expect("any number of keys");
    assert_eq!(items.len(), keys.len());
    for (key, item) in keys.iter().zip(&items) {
        let Some(item) = item else { continue };
        assert_eq!(item.key, *key);
        assert!((1..=2).contains(&item.version), "{}", item.version);
        assert_eq!(item.body, item.version.to_string());
    }
    let there: Vec<bool> = items.iter().map(Option::is_some).collect();
    assert!(there[..300].iter().chain([&there[301]]).all(|is_there| !is_there), "nothing stood there");
}

pub async fn keys_with_equal_parts_are_told_apart(state: &impl State) {
    let keys =
        [Key::new("a", "b/c"), Key::new("a/b", "c"), Key::new("ab", "c"), Key::new("a", "bc"), Key::new("A", "bc")];
    for key in &keys {
        let write = Write::Put { key: key.clone(), body: Bytes::from(key.to_string()), condition: Absent };
        commit(state, [write]).await.expect("each key is another item");
    }
    let found = state.get(&keys).await.expect("get");
    let bodies: Vec<String> = found.iter().flatten().map(body_of).collect();
    assert_eq!(bodies, keys.map(|key| key.to_string()));
}

pub async fn query_answers_in_the_order_of_sort_keys(state: &impl State) {
    let sorted = ["!", "0", "00", "1", "10", "2", "A", "a", "aa", "b", "é", "日", "😀"];
    for name in sorted.iter().rev() {
        commit(state, [put(name, name, Absent)]).await.expect("new");
    }
    let items = state.query(PARTITION, "", None, 100).await.expect("query");
    assert_eq!(items.iter().map(body_of).collect::<Vec<_>>(), sorted);
    for (item, name) in items.iter().zip(sorted) {
        assert_eq!((&item.key, item.version), (&key(name), 1));
    }
}

pub async fn query_answers_one_partition_only(state: &impl State) {
    let partitions = ["p", "p ", "p/", "p/q", "pp", "o", "P", "p\u{1}", "p\u{10FFFF}"];
    for partition in partitions {
        let put = |sort| Write::Put { key: Key::new(partition, sort), body: Bytes::new(), condition: Absent };
        commit(state, [put("1"), put("2")]).await.expect("new");
    }
    for partition in partitions {
        let items = state.query(partition, "", None, 100).await.expect("query");
        let keys: Vec<Key> = items.into_iter().map(|item| item.key).collect();
        assert_eq!(keys, [Key::new(partition, "1"), Key::new(partition, "2")]);
    }
    assert_eq!(names(state.query("missing", "", None, 100).await), Vec::<String>::new());
}

pub async fn query_answers_what_starts_with_the_prefix(state: &impl State) {
    let sorted = ["a", "a/", "a/1", "a/2", "a0", "b", "b\u{10FFFF}", "b\u{10FFFF}x", "c"];
    commit(state, sorted.map(|name| put(name, "", Absent))).await.expect("new");
    for (prefix, expected) in [
        ("a/", vec!["a/", "a/1", "a/2"]),
        ("a", vec!["a", "a/", "a/1", "a/2", "a0"]),
        ("b\u{10FFFF}", vec!["b\u{10FFFF}", "b\u{10FFFF}x"]),
        ("c", vec!["c"]),
        ("d", vec![]),
        ("a/1/", vec![]),
    ] {
        assert_eq!(names(state.query(PARTITION, prefix, None, 100).await), expected, "{prefix:?}");
    }
}

pub async fn query_goes_on_after_a_sort_key(state: &impl State) {
    commit(state, ["a1", "a2", "a2x", "a3", "b1"].map(|name| put(name, "", Absent))).await.expect("new");
    for (prefix, after, expected) in [
        ("", "a2", vec!["a2x", "a3", "b1"]),
        ("a", "a2", vec!["a2x", "a3"]),
        ("a", "a2m", vec!["a2x", "a3"]),
        ("a", "0", vec!["a1", "a2", "a2x", "a3"]),
        ("a", "a", vec!["a1", "a2", "a2x", "a3"]),
        ("a", "a3", vec![]),
        ("a", "b", vec![]),
        ("b", "a1", vec!["b1"]),
        ("", "z", vec![]),
    ] {
        let found = names(state.query(PARTITION, prefix, Some(after), 100).await);
        assert_eq!(found, expected, "prefix {prefix:?} after {after:?}");
    }
}

pub async fn query_answers_no_more_than_the_limit(state: &impl State) {
    commit(state, ["a1", "a2", "a3", "b1"].map(|name| put(name, "", Absent))).await.expect("new");
    for (limit, expected) in [(0, vec![]), (1, vec!["a1"]), (2, vec!["a1", "a2"]), (3, vec!["a1", "a2", "a3"])] {
        assert_eq!(names(state.query(PARTITION, "a", None, limit).await), expected, "at most {limit}");
    }
    assert_eq!(names(state.query(PARTITION, "a", None, usize::MAX).await), ["a1", "a2", "a3"]);
    assert_eq!(names(state.query(PARTITION, "a", Some("a1"), 1).await), ["a2"]);
}

pub async fn query_in_pages_answers_each_item_once(state: &impl State) {
    fill(state, 250).await;
    let mut seen: Vec<String> = vec![];
    loop {
        let page = names(state.query(PARTITION, "0", seen.last().map(String::as_str), 33).await);
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen, (0..250).map(|n| format!("{n:04}")).collect::<Vec<_>>());
}

pub async fn query_sees_every_commit_and_delete(state: &impl State) {
    let versions = async || {
        let items = state.query(PARTITION, "", None, 100).await.expect("query");
        items.into_iter().map(|item| (item.key.sort, item.version)).collect::<Vec<_>>()
    };
    commit(state, [put("a", "", Absent), put("b", "", Absent)]).await.expect("new");
    assert_eq!(versions().await, [("a".into(), 1), ("b".into(), 1)]);
    commit(state, [put("b", "", At(1)), put("c", "", Absent)]).await.expect("all conditions hold");
    assert_eq!(versions().await, [("a".into(), 1), ("b".into(), 2), ("c".into(), 1)]);
    commit(state, [delete("a", At(1)), delete("b", Any)]).await.expect("all conditions hold");
    assert_eq!(versions().await, [("c".into(), 1)]);
}

const PARTITION: &str = "partition";

fn key(name: &str) -> Key {
    Key::new(PARTITION, name)
}

fn put(name: &str, body: &str, condition: Condition) -> Write {
    Write::Put { key: key(name), body: Bytes::copy_from_slice(body.as_bytes()), condition }
}

fn delete(name: &str, condition: Condition) -> Write {
    Write::Delete { key: key(name), condition }
}

fn check(name: &str, condition: Condition) -> Write {
    Write::Check { key: key(name), condition }
}

fn one(writes: impl Into<Vec<Write>>) -> Transaction {
    Transaction { writes: writes.into(), durable: false }
}

async fn commit(state: &impl State, writes: impl Into<Vec<Write>>) -> PortResult<()> {
    state.commit(one(writes)).await
}

/// `count` items named 0000, 0001, …
async fn fill(state: &impl State, count: usize) {
    let names: Vec<usize> = (0..count).collect();
    for chunk in names.chunks(MAX_TRANSACTION_ITEMS) {
        let writes: Vec<Write> = chunk.iter().map(|n| put(&format!("{n:04}"), "body", Absent)).collect();
        commit(state, writes).await.expect("new");
    }
}

async fn get(state: &impl State, name: &str) -> Option<(Version, String)> {
    let found = state.get(&[key(name)]).await.expect("get");
    assert_eq!(found.len(), 1, "one answer for one key");
    found.into_iter().flatten().next().map(|item| (item.version, body_of(&item)))
}

fn body_of(item: &Item) -> String {
    String::from_utf8(item.body.to_vec()).expect("bodies here are text")
}

fn names(found: PortResult<Vec<Item>>) -> Vec<String> {
    found.expect("query").into_iter().map(|item| item.key.sort).collect()
}
