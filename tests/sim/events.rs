//! A day's records, made from a seed: few people, few names, so that everything meets everything.

use bytes::Bytes;
use cdp_event::{Envelope, PartitionId, Record, Timestamp, aggregate};
use serde_json::{Value, json};

use crate::executor::Dice;

pub struct Day {
    pub partitions: Vec<(PartitionId, Vec<Record>)>,
}

/// One partition has an end, others may outlive it.
pub const A_FILE: &str = "file";

const DAY_BEGINS_MS: i64 = 1_759_990_000_000;

pub fn day(seed: u64, partitions: usize, with_alias: bool) -> Day {
    let dice = Dice::new(seed ^ 0xDA7);
    // Few of such names make a set that stands apart from its profile, and is founded with it.
    let suffix = if seed.is_multiple_of(5) { "-".repeat(180) } else { String::new() };
    let mut sent: Vec<(String, Value)> = Vec::new();
    let partitions = (0..partitions)
        .map(|number| {
            let name = if number == 1 { A_FILE.to_owned() } else { format!("shard-{number}") };
            let name = PartitionId::new(name);
            let records = (0..4 + dice.below(20) as u64)
                .map(|sequence| Record {
                    sequence: sequence.into(),
                    arrived_at: Timestamp::from_ms(DAY_BEGINS_MS + sequence as i64 * 1000),
                    partition_key: "k".into(),
                    data: data(&dice, &mut sent, with_alias, &suffix),
                })
                .collect();
            (name, records)
        })
        .collect();
    Day { partitions }
}

fn data(dice: &Dice, sent: &mut Vec<(String, Value)>, with_alias: bool, suffix: &str) -> Bytes {
    match dice.below(20) {
        0 => Bytes::from_static(b"GET /favicon.ico HTTP/1.1"),
        1 => json!({"type": "track", "userId": "u1"}).to_string().into(),
        form @ (2 | 3) => {
            let parts: Vec<String> =
                (0..2 + dice.below(3)).map(|_| event(dice, sent, with_alias, suffix).to_string()).collect();
            if form == 2 {
                return zstd::encode_all(parts.join("\n").as_bytes(), 1).expect("memory").into();
            }
            let parts: Vec<(&str, &[u8])> = parts.iter().map(|part| ("k", part.as_bytes())).collect();
            aggregate(&parts)
        }
        4 => Envelope::new("web".to_owned(), Timestamp::from_ms(DAY_BEGINS_MS))
            .wrap(event(dice, sent, with_alias, suffix).to_string().as_bytes())
            .into(),
        _ => event(dice, sent, with_alias, suffix).to_string().into(),
    }
}

/// One in eight is sent again, just as it was.
fn event(dice: &Dice, sent: &mut Vec<(String, Value)>, with_alias: bool, suffix: &str) -> Value {
    if !sent.is_empty() && dice.chance(0.12) {
        return sent[dice.below(sent.len())].1.clone();
    }
    let id = format!("m{}", sent.len());
    let anonymous = format!("a{}{suffix}", dice.below(6));
    let user = format!("u{}{suffix}", dice.below(4));
    let at = Timestamp::from_ms(DAY_BEGINS_MS - dice.below(100_000) as i64).to_string();
    let event = match dice.below(6) {
        0 => json!({"type": "page", "anonymousId": anonymous}),
        1 => {
            json!({"type": "track", "event": "Order Completed", "userId": user, "properties": {"revenue": dice.below(50)}})
        }
        2 => {
            json!({"type": "identify", "userId": user, "anonymousId": anonymous, "traits": {"plan": dice.below(9), "email": format!("e{}@x.org", dice.below(5))}})
        }
        3 if with_alias => {
            json!({"type": "alias", "userId": user, "previousId": format!("u{}{suffix}", dice.below(4))})
        }
        3 => json!({"type": "track", "event": "Seen", "anonymousId": anonymous, "userId": user}),
        4 => {
            json!({"type": "identify", "anonymousId": anonymous, "traits": {"phone": format!("+4912345{}", dice.below(4)), "city": dice.below(9)}})
        }
        _ => json!({"type": "track", "event": "Product Viewed", "anonymousId": anonymous}),
    };
    let mut event = event;
    event["messageId"] = json!(id);
    event["timestamp"] = json!(at);
    sent.push((id, event.clone()));
    event
}
