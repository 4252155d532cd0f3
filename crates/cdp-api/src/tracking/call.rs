//! A call's body, taken apart without reading more of it than the front needs: each event stays the bytes that were sent.

use std::borrow::Cow;

use cdp_event::Timestamp;
use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::Refusal;
use crate::records::scalar;

/// A request's events, and what they share.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub write_key: Option<Cow<'a, str>>,
    pub sent_at: Option<Timestamp>,
    /// A JSON object.
    pub context: Option<&'a str>,
    pub events: Vec<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchBody<'a> {
    #[serde(borrow, default)]
    write_key: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sent_at: Option<&'a RawValue>,
    #[serde(borrow, default)]
    context: Option<&'a RawValue>,
    #[serde(borrow)]
    batch: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct SingleBody<'a> {
    #[serde(borrow, default)]
    write_key: Option<&'a RawValue>,
}

impl<'a> Call<'a> {
    pub fn batch(body: &'a [u8]) -> Result<Self, Refusal> {
        let body: BatchBody<'a> = serde_json::from_str(object(body)?).map_err(explain)?;
        let Some(batch) = body.batch else {
            let remedy = "send the events as an array";
            return Err(Refusal::BadField { field: "batch", problem: "is missing".to_owned(), remedy });
        };
        Ok(Self {
            write_key: body.write_key.and_then(scalar),
            // A wrong clock is no reason to lose a batch: without `sentAt` its events keep their own time.
            sent_at: body.sent_at.and_then(scalar).and_then(|text| text.parse().ok()),
            context: body.context.map(RawValue::get).filter(|json| json.starts_with('{')),
            events: batch.into_iter().map(RawValue::get).collect(),
        })
    }

    /// The body is the event. Faults inside it are for validation, which keeps the event; only what is not JSON is refused.
    pub fn single(body: &'a [u8]) -> Result<Self, Refusal> {
        let text = object(body)?;
        let body = match serde_json::from_str::<SingleBody<'a>>(text) {
            Ok(body) => body,
            Err(error) if error.classify() == Category::Data => SingleBody::default(),
            Err(error) => return Err(explain(error)),
        };
        let write_key = body.write_key.and_then(scalar);
        Ok(Self { write_key, sent_at: None, context: None, events: vec![text] })
    }
}

fn object(body: &[u8]) -> Result<&str, Refusal> {
    let text = simdutf8::compat::from_utf8(body)
        .map_err(|error| Refusal::NotJson(format!("byte {} is not UTF-8", error.valid_up_to())))?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err(Refusal::NotJson("the body is empty".to_owned()));
    }
    if !text.starts_with('{') {
        return Err(Refusal::NotJson("the body does not begin with `{`".to_owned()));
    }
    Ok(text)
}

fn explain(error: serde_json::Error) -> Refusal {
    if error.classify() != Category::Data {
        return Refusal::NotJson(error.to_string());
    }
    // Only `batch` has a type that can be wrong; the others can only be there twice.
    let twice =
        ["writeKey", "sentAt", "context"].into_iter().find(|field| error.to_string().contains(&format!("`{field}`")));
    Refusal::BadField {
        field: twice.unwrap_or("batch"),
        problem: format!("can't be read: {error}"),
        remedy: "send it once, `batch` as an array",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_cut_into_the_bytes_that_were_sent() {
        let body = br#" {"writeKey":"k","sentAt":"1970-01-01T00:00:01.000Z","context":{"ip":"::1"},"batch":[ {"a": 1.0e400 } , 5,null]} "#;
        let call = Call::batch(body).expect("a batch");
        assert_eq!(call.events, [r#"{"a": 1.0e400 }"#, "5", "null"]);
        assert_eq!(call.write_key.as_deref(), Some("k"));
        assert_eq!(call.sent_at, Some(Timestamp::from_ms(1000)));
        assert_eq!(call.context, Some(r#"{"ip":"::1"}"#));
    }

    #[test]
    fn what_is_shared_and_useless_is_left_out() {
        let call = Call::batch(br#"{"writeKey":{},"sentAt":"now","context":[],"batch":[],"x":1}"#).expect("a batch");
        assert!(call.write_key.is_none() && call.sent_at.is_none() && call.context.is_none() && call.events.is_empty());
    }

    #[test]
    fn a_refusal_names_the_field() {
        for (body, code, names) in [
            (&b""[..], "not_json", "empty"),
            (b"[]", "not_json", "`{`"),
            (b"{\"batch\":[{]}", "not_json", "column"),
            (b"{\"batch\":[{}", "not_json", "EOF"),
            (b"{\"batch\":[\"\xff\"]}", "not_json", "byte 11"),
            (b"{}", "bad_field", "`batch` is missing"),
            (b"{\"batch\":null}", "bad_field", "`batch` is missing"),
            (b"{\"batch\":{}}", "bad_field", "`batch`"),
            (b"{\"batch\":[],\"batch\":[]}", "bad_field", "`batch`"),
            (b"{\"batch\":[],\"sentAt\":1,\"sentAt\":2}", "bad_field", "`sentAt`"),
            (b"{\"batch\":[]} {}", "not_json", "trailing"),
        ] {
            let refusal = Call::batch(body).expect_err("refused");
            assert_eq!(refusal.code(), code, "{}", body.escape_ascii());
            assert!(refusal.to_string().contains(names), "{refusal}");
        }
    }

    #[test]
    fn an_event_with_faults_of_its_own_is_taken_whole() {
        let body = br#"{"writeKey":"k","writeKey":"k","userId":1e999}"#;
        assert_eq!(Call::single(body).expect("taken").events, [std::str::from_utf8(body).expect("UTF-8")]);
        assert!(Call::single(b"{\"a\":").is_err());
    }
}
