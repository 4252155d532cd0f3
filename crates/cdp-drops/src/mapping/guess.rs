//! Columns that are named as in the Segment spec need no mapping.

use super::plan::{Field, MessageId, Object, Plan, Saying, key_of, shown};
use super::time::TimeReader;
use super::{Mapping, ValueType};

/// What the spec has beside, and rows don't need.
const PASSED_OVER: [&str; 8] =
    ["sentat", "receivedat", "originaltimestamp", "integrations", "version", "channel", "writekey", "projectid"];

/// The plan for these columns, or why there is none. A column that the spec does not know is a property of the row's
/// event; where rows have no event, a trait.
pub(crate) fn guess(columns: Vec<String>) -> Result<Plan, String> {
    let plain: Vec<String> = columns.iter().map(|name| plain(name)).collect();
    let find = |names: &[&str]| plain.iter().position(|column| names.contains(&column.as_str()));
    let time = find(&["timestamp"]);
    let message_id = find(&["messageid"]);
    let (user_id, anonymous_id) = (find(&["userid"]), find(&["anonymousid"]));
    let (email, phone) = (find(&["email", "traits.email"]), find(&["phone", "traits.phone"]));
    if [user_id, anonymous_id, email, phone].iter().all(Option::is_none) {
        let there = shown(&columns);
        let one = if columns.len() == 1 { "; if they are several, set `delimiter` of the source's `csv`" } else { "" };
        return Err(format!(
            "the source has no mapping, and no column is named userId, anonymousId, email or phone; the columns are: {there}{one}"
        ));
    }
    let (kind, event) = (find(&["type"]), find(&["event"]));
    let (whole_properties, whole_traits) = (find(&["properties"]), find(&["traits"]));
    let context = find(&["context"]);

    let taken =
        [user_id, anonymous_id, email, phone, kind, event, time, message_id, whole_properties, whole_traits, context];
    let (mut traits, mut properties) = (vec![], vec![]);
    for (at, name) in columns.iter().enumerate() {
        if taken.contains(&Some(at)) || plain.get(at).is_some_and(|plain| PASSED_OVER.contains(&plain.as_str())) {
            continue;
        }
        let field = |name: &str, of_type: Option<ValueType>| Field { column: at, key: key_of(name), of_type };
        match (name.strip_prefix("traits."), name.strip_prefix("properties.")) {
            (Some(name), _) => traits.push(field(name, None)),
            (_, Some(name)) => properties.push(field(name, None)),
            (None, None) if event.is_some() || kind.is_some() => properties.push(field(name, None)),
            (None, None) => traits.push(field(name, None)),
        }
    }
    let unbound = Plan::bind(&Mapping::default(), columns, true)?;
    Ok(Plan {
        user_id,
        anonymous_id,
        email,
        phone,
        kind: kind.map(Saying::Column),
        event: event.map(Saying::Column),
        time: time.map(|column| (column, TimeReader::iso())),
        message_id: message_id.map_or(MessageId::Made, MessageId::Whole),
        traits: Object { whole: whole_traits, fields: traits, ..Object::default() },
        properties: Object { whole: whole_properties, fields: properties, ..Object::default() },
        context,
        ..unbound
    })
}

/// `userId`, `user_id` and `User ID` are one name.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_name_nobody_are_told() {
        let error = guess(vec!["order".into(), "amount".into()]).expect_err("nobody is named");
        assert!(error.ends_with("the columns are: order, amount"), "{error}");
    }
}
