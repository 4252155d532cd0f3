//! A call's payload, cut into rows. Each row carries what its call says beside the payload, under keys that begin with `@`,
//! so that a row that was refused has all that a mended mapping needs.

use std::collections::BTreeMap;

use cdp_drops::member;
use cdp_event::{Reason, Rejection};
use serde_json::value::RawValue;

/// What names the delivery; in a payload of several rows, with the row's number.
pub(crate) const DELIVERY: &str = "@delivery";
/// The headers that the mapping names, by names in small letters.
pub(crate) const HEADERS: &str = "@headers";

/// `@headers.x-topic` is the header `x-topic`.
pub(crate) fn header_of(path: &str) -> Option<&str> {
    path.strip_prefix(HEADERS)?.strip_prefix('.')
}

/// A payload's rows, as they stand in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rows<'a> {
    One(&'a str),
    List(Vec<&'a str>),
}

impl<'a> Rows<'a> {
    /// `path`: where the payload has its list. A rejection is of the whole payload.
    pub fn of(body: &'a [u8], path: Option<&str>) -> Result<Self, Rejection> {
        let text = std::str::from_utf8(body)
            .map_err(|error| Rejection::new(Reason::NotUtf8, format!("byte {} is not UTF-8", error.valid_up_to())))?;
        let payload: &RawValue = serde_json::from_str(text)
            .map_err(|error| Rejection::new(Reason::NotJson, format!("the payload is not JSON: {error}")))?;
        let Some(path) = path else {
            return Ok(list(payload.get()).map_or(Self::One(payload.get()), Self::List));
        };
        let no_list = || Rejection::of(path, Reason::BadRow, "the payload has no list of rows here");
        member(payload.get(), path).and_then(list).map(Self::List).ok_or_else(no_list)
    }
}

fn list(json: &str) -> Option<Vec<&str>> {
    let rows: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    Some(rows.into_iter().map(RawValue::get).collect())
}

/// The row with what stands beside it. What is no object can't be mapped, and stays as it is.
pub(crate) fn with_beside(row: &str, delivery: &str, headers: &BTreeMap<&str, &str>) -> String {
    let Some(rest) = row.strip_prefix('{') else { return row.to_owned() };
    let (delivery, headers) = (serde_json::json!(delivery), serde_json::json!(headers));
    let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
    format!("{{\"{DELIVERY}\":{delivery},\"{HEADERS}\":{headers}{comma}{rest}")
}

pub(crate) fn has_beside(row: &str) -> bool {
    member(row, DELIVERY).is_some()
}

/// Text, or a number as its digits.
pub(crate) fn text_at(json: &str, path: &str) -> Option<String> {
    let value = member(json, path)?;
    match value.as_bytes().first()? {
        b'"' => serde_json::from_str(value).ok(),
        b'-' | b'0'..=b'9' => Some(value.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_one_row_or_a_list() {
        let rejected = |reason, field: Option<&str>| Err((reason, field.map(str::to_owned)));
        for (body, path, expected) in [
            (&br#" {"a":1} "#[..], None, Ok(Rows::One(r#"{"a":1}"#))),
            (b"5", None, Ok(Rows::One("5"))),
            (br#"[{"a":1} ,2]"#, None, Ok(Rows::List(vec![r#"{"a":1}"#, "2"]))),
            (b"[]", None, Ok(Rows::List(vec![]))),
            (br#"{"data":{"events":[{}]}}"#, Some("data.events"), Ok(Rows::List(vec!["{}"]))),
            (br#"{"data":{"events":{}}}"#, Some("data.events"), rejected(Reason::BadRow, Some("data.events"))),
            (b"[{}]", Some("events"), rejected(Reason::BadRow, Some("events"))),
            (b"", None, rejected(Reason::NotJson, None)),
            (b"{\"a\":", None, rejected(Reason::NotJson, None)),
            (b"{} {}", None, rejected(Reason::NotJson, None)),
            (b"\xff", None, rejected(Reason::NotUtf8, None)),
        ] {
            let rows = Rows::of(body, path).map_err(|rejection| (rejection.reason, rejection.field));
            assert_eq!(rows, expected, "{}", body.escape_ascii());
        }
    }

    #[test]
    fn a_row_carries_what_stands_beside_it() {
        let headers = BTreeMap::from([("x-topic", "a\"b")]);
        let beside = r#""@delivery":"d:1","@headers":{"x-topic":"a\"b"}"#;
        for (row, expected) in [
            (r#"{"a":{}}"#, format!("{{{beside},\"a\":{{}}}}")),
            ("{ }", format!("{{{beside} }}")),
            ("5", "5".to_owned()),
        ] {
            let row = with_beside(row, "d:1", &headers);
            assert_eq!(row, expected);
            assert_eq!(text_at(&row, "@headers.x-topic").as_deref(), row.starts_with('{').then_some("a\"b"));
            assert_eq!(has_beside(&row), row.starts_with('{'));
        }
    }
}
