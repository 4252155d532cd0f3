//! Made-up people with two events each: a page that a device saw, and, many others later, the login that tells whose
//! device it is. Cheap to make, one after the other, so that a bench measures the platform and not its own input.

use std::fmt::Write;

use bytes::{Bytes, BytesMut};
use cdp_event::Timestamp;

/// So many other people are seen between a person's two events: more than a batch holds.
const BETWEEN: u64 = 100_000;
/// Events are written one behind the other into blocks.
const BLOCK_BYTES: usize = 256 << 10;
const MAX_EVENT_BYTES: usize = 1024;

/// Nobody's names are neighbours of anybody else's: a store must not profit from an order that real ids do not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person(u64);

impl Person {
    pub fn number(number: u64) -> Self {
        // The finalizer of SplitMix64: one to one, and without a pattern.
        let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(mixed ^ (mixed >> 31))
    }

    /// As the profiles API and `cdp profile` take them.
    pub fn names(self) -> [String; 3] {
        let Self(id) = self;
        [format!("user_id:u{id:x}"), format!("email:p{id:x}@example.com"), format!("anonymous_id:{id:016x}-device")]
    }

    fn write_page(self, happened_at: &str, to: &mut BytesMut) {
        let Self(id) = self;
        let article = id % 5000;
        // Writing to memory can't fail.
        let _ = write!(
            to,
            r#"{{"type":"page","messageId":"p-{id:016x}","anonymousId":"{id:016x}-device","timestamp":"{happened_at}","name":"Article","properties":{{"url":"https://shop.example/articles/{article}","path":"/articles/{article}","title":"Article {article}","referrer":"https://search.example/"}},"context":{{"locale":"en-GB","ip":"192.0.2.{}","page":{{"path":"/articles/{article}"}},"library":{{"name":"analytics.js","version":"4.1.0"}}}}}}"#,
            id % 255
        );
    }

    fn write_identify(self, happened_at: &str, to: &mut BytesMut) {
        let Self(id) = self;
        let plan = ["free", "basic", "pro"][(id % 3) as usize];
        let _ = write!(
            to,
            r#"{{"type":"identify","messageId":"i-{id:016x}","userId":"u{id:x}","anonymousId":"{id:016x}-device","timestamp":"{happened_at}","traits":{{"email":"p{id:x}@example.com","firstName":"Person {}","plan":"{plan}","city":"Lyon","logins":{}}},"context":{{"locale":"en-GB","library":{{"name":"analytics.js","version":"4.1.0"}}}}}}"#,
            id % 1000,
            id % 50
        );
    }
}

/// The events of a part of all people, in the order in which they come.
pub struct People {
    part: u64,
    parts: u64,
    people: u64,
    /// How many turns lie between a person's two events.
    between: u64,
    turn: u64,
    /// Whether this turn's newcomer has been seen.
    newcomer_was_seen: bool,
    happened_at: String,
    block: BytesMut,
}

impl People {
    /// Of `total` people those whose number leaves `part` when it is divided by `parts`.
    pub fn part(part: u64, parts: u64, total: u64, now: Timestamp) -> Self {
        let people = total / parts + u64::from(part < total % parts);
        Self {
            part,
            parts,
            people,
            between: (BETWEEN / parts).min(people),
            turn: 0,
            newcomer_was_seen: false,
            happened_at: now.to_string(),
            block: BytesMut::new(),
        }
    }

    pub fn all(total: u64, now: Timestamp) -> Self {
        Self::part(0, 1, total, now)
    }

    fn person(&self, at: u64) -> Person {
        Person::number(self.part + at * self.parts)
    }

    fn event(&mut self, write: impl FnOnce(&str, &mut BytesMut)) -> Bytes {
        if self.block.capacity() < MAX_EVENT_BYTES {
            self.block = BytesMut::with_capacity(BLOCK_BYTES);
        }
        write(&self.happened_at, &mut self.block);
        self.block.split().freeze()
    }
}

impl Iterator for People {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        while self.turn < self.people + self.between {
            if !self.newcomer_was_seen {
                self.newcomer_was_seen = true;
                if self.turn < self.people {
                    let person = self.person(self.turn);
                    return Some(self.event(|at, to| person.write_page(at, to)));
                }
            }
            let returning = self.turn.checked_sub(self.between);
            self.turn += 1;
            self.newcomer_was_seen = false;
            if let Some(at) = returning {
                let person = self.person(at);
                return Some(self.event(|at, to| person.write_identify(at, to)));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::Value;

    use super::*;

    fn events(part: u64, parts: u64, total: u64) -> Vec<Value> {
        let people = People::part(part, parts, total, Timestamp::default());
        people.map(|event| serde_json::from_slice(&event).expect("JSON")).collect()
    }

    #[test]
    fn all_parts_together_are_everybody_with_a_page_before_the_login() {
        let mut devices: HashMap<String, Vec<String>> = HashMap::new();
        for event in (0..3).flat_map(|part| events(part, 3, 100)) {
            let text = |key: &str| event[key].as_str().expect("text").to_owned();
            devices.entry(text("anonymousId")).or_default().push(text("type"));
        }
        assert_eq!(devices.len(), 100);
        assert!(devices.values().all(|kinds| kinds == &["page", "identify"]), "{devices:?}");
    }

    #[test]
    fn a_person_is_found_by_the_names_that_its_events_carry() {
        let login = events(0, 1, 1).pop().expect("two events");
        let [user_id, email, anonymous_id] = Person::number(0).names();
        assert_eq!(user_id, format!("user_id:{}", login["userId"].as_str().expect("text")));
        assert_eq!(email, format!("email:{}", login["traits"]["email"].as_str().expect("text")));
        assert_eq!(anonymous_id, format!("anonymous_id:{}", login["anonymousId"].as_str().expect("text")));
    }
}
