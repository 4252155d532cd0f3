//! What woke the function: records of State's own stream, or the clock.

use std::collections::BTreeSet;

use cdp_ports::TableName;
use serde::Deserialize;

/// Of a DynamoDB stream's event, what says which outbox has something; all else is another trigger.
#[derive(Debug, Default, Deserialize)]
pub struct Woken {
    #[serde(default, rename = "Records")]
    records: Vec<Change>,
}

#[derive(Debug, Deserialize)]
struct Change {
    dynamodb: Changed,
}

#[derive(Debug, Deserialize)]
struct Changed {
    #[serde(rename = "Keys")]
    keys: Keys,
}

#[derive(Debug, Deserialize)]
struct Keys {
    partition: Text,
}

#[derive(Debug, Deserialize)]
struct Text {
    #[serde(rename = "S")]
    text: String,
}

impl Woken {
    pub fn is_by_clock(&self) -> bool {
        self.records.is_empty()
    }

    /// The tables whose outboxes changed; all of them when it was the clock.
    pub fn tables(&self) -> BTreeSet<TableName> {
        if self.is_by_clock() {
            return TableName::ALL.into();
        }
        let names =
            self.records.iter().filter_map(|record| record.dynamodb.keys.partition.text.strip_prefix("outbox/"));
        names.filter_map(|name| name.parse().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_tables(event: &str, expected: &[TableName]) {
        let woken: Woken = serde_json::from_str(event).expect(event);
        assert_eq!(woken.tables().into_iter().collect::<Vec<_>>(), expected, "{event}");
    }

    fn change(partition: &str) -> String {
        format!(
            r#"{{"eventName":"INSERT","dynamodb":{{"Keys":{{"partition":{{"S":"{partition}"}},"sort":{{"S":"x"}}}}}}}}"#
        )
    }

    #[test]
    fn a_change_of_an_outbox_names_its_table() {
        let changes = [change("outbox/profiles"), change("outbox/events"), change("outbox/events")].join(",");
        check_tables(&format!(r#"{{"Records":[{changes}]}}"#), &[TableName::Events, TableName::Profiles]);
        check_tables(&format!(r#"{{"Records":[{}]}}"#, change("profile/p")), &[]);
    }

    #[test]
    fn the_clock_asks_for_all() {
        check_tables("{}", &TableName::ALL);
        check_tables(r#"{"source":"aws.events","detail":{}}"#, &TableName::ALL);
    }
}
