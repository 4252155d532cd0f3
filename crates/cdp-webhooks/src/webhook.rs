//! One webhook of a deployment: whether it believes a call, and what a call's payload comes to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use cdp_drops::{Batch, JsonShape, Mapping};
use cdp_event::{Reason, Rejection, Timestamp};
use sha2::{Digest, Sha256};

use crate::payload::{Rows, has_beside, text_at, with_beside};
use crate::settings::{Scheme, SettingsError, WebhookSettings, completed};
use crate::signature::{Headers, Key, NotSigned, Signature};

#[derive(Clone, Debug)]
pub struct Webhook {
    name: String,
    scheme: Scheme,
    signature: Signature,
    keys: Vec<Key>,
    tolerance: Duration,
    rows: Option<String>,
    kind: Option<String>,
    /// What is kept of a call's headers.
    headers: BTreeSet<String>,
    mapping: Option<Mapping>,
    mappings: BTreeMap<String, Mapping>,
}

#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadSecret {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("it is not written as `signature.secret` says")]
    NotAsSaid,
}

/// In bytes. Half of SHA-256 names a content well enough.
const DIGEST_BYTES: usize = 16;

impl Webhook {
    /// `secrets`: any of them may have signed.
    pub fn new<'s>(
        name: &str,
        settings: &WebhookSettings,
        secrets: impl IntoIterator<Item = &'s str>,
    ) -> Result<Self, BadSecret> {
        settings.check()?;
        let signature = Signature::compile(&settings.signature()?).map_err(|(key, problem, remedy)| SettingsError {
            key: format!("signature.{key}"),
            problem,
            remedy: remedy.to_owned(),
        })?;
        let keys = secrets.into_iter().map(|secret| signature.key(secret).ok_or(BadSecret::NotAsSaid));
        Ok(Self {
            name: name.to_owned(),
            scheme: settings.scheme,
            keys: keys.collect::<Result<_, _>>()?,
            signature,
            tolerance: settings.tolerance(),
            rows: settings.rows.clone(),
            kind: settings.kind().map(str::to_owned),
            headers: settings.named_headers(),
            mapping: settings.mapping.as_ref().map(completed),
            mappings: settings.mappings.iter().map(|(kind, mapping)| (kind.clone(), completed(mapping))).collect(),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// `body`: the bytes that came, before anything was done to them.
    pub fn verify(&self, headers: &Headers<'_>, body: &[u8], now: Timestamp) -> Result<(), NotSigned> {
        self.signature.verify(&self.keys, headers, body, now, self.tolerance)
    }

    /// The events of each row, or why it has none. The same call comes to the same events, whenever it is repeated.
    pub fn events(&self, headers: &Headers<'_>, body: &[u8], most_rows: usize) -> Batch {
        let mut batch = Batch::default();
        let rows = match Rows::of(body, self.rows.as_deref()) {
            Ok(Rows::List(rows)) if rows.len() > most_rows => {
                let detail = format!("the payload has {} rows, more than {most_rows}", rows.len());
                Err(Rejection::new(Reason::BadRow, detail))
            }
            sound_or_not => sound_or_not,
        };
        match rows {
            Ok(rows) => self.map(&self.rows_with_beside(rows, headers, body), &mut batch),
            Err(rejection) => batch.push_refused(1, body, rejection),
        }
        batch
    }

    /// The same of a row that was refused, now that the mapping may have been mended. `None`: these bytes are no such row.
    pub fn events_again(&self, refused: &[u8]) -> Option<Batch> {
        let row = std::str::from_utf8(refused).ok().filter(|row| has_beside(row))?;
        let mut batch = Batch::default();
        self.map(&[row.to_owned()], &mut batch);
        Some(batch)
    }

    fn rows_with_beside(&self, rows: Rows<'_>, headers: &Headers<'_>, body: &[u8]) -> Vec<String> {
        if self.is_segment_shaped() {
            return match rows {
                Rows::One(row) => vec![row.to_owned()],
                Rows::List(rows) => rows.into_iter().map(str::to_owned).collect(),
            };
        }
        let delivery = self.delivery(headers, body);
        let named = self.headers.iter().filter_map(|name| Some((name.as_str(), headers.get(name)?)));
        let named = named.collect();
        match rows {
            Rows::One(row) => vec![with_beside(row, &delivery, &named)],
            Rows::List(rows) => {
                let numbered = (1u64..).zip(rows);
                numbered.map(|(number, row)| with_beside(row, &format!("{delivery}:{number}"), &named)).collect()
            }
        }
    }

    /// What the sender calls this delivery, the same each time it tries. Else its content names it.
    fn delivery(&self, headers: &Headers<'_>, body: &[u8]) -> String {
        let header = |name: &str| headers.get(name).map(str::to_owned);
        let named = match self.scheme {
            Scheme::Stripe => std::str::from_utf8(body).ok().and_then(|body| text_at(body, "id")),
            Scheme::Shopify => header("x-shopify-webhook-id").or_else(|| header("x-shopify-event-id")),
            Scheme::Github => header("x-github-delivery"),
            Scheme::Generic => None,
        };
        named.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| digest(body))
    }

    fn map(&self, rows: &[String], batch: &mut Batch) {
        let mut shapes = HashMap::new();
        for (number, row) in (1u64..).zip(rows) {
            match self.meaning(row) {
                Ok((kind, mapping)) => {
                    let shape = shapes.entry(kind).or_insert_with(|| JsonShape::new(&self.name, mapping));
                    shape.emit(number, row.as_bytes(), batch);
                }
                Err(rejection) => batch.push_refused(number, row.as_bytes(), rejection),
            }
        }
    }

    /// The mapping of the row's kind, or that of all others, whose kind is `None`.
    fn meaning(&self, row: &str) -> Result<(Option<&str>, Option<&Mapping>), Rejection> {
        let kind = self.kind.as_deref().and_then(|path| text_at(row, path));
        let own = kind.as_ref().and_then(|kind| self.mappings.get_key_value(kind));
        match (own, &self.mapping) {
            (Some((kind, mapping)), _) => Ok((Some(kind.as_str()), Some(mapping))),
            (None, Some(mapping)) => Ok((None, Some(mapping))),
            (None, None) if self.is_segment_shaped() => Ok((None, None)),
            (None, None) => {
                let field = self.kind.clone().unwrap_or_default();
                let kind: String = kind.unwrap_or_default().chars().take(60).collect();
                Err(Rejection::of(field, Reason::BadRow, format!("there is no mapping for {kind:?}")))
            }
        }
    }

    fn is_segment_shaped(&self) -> bool {
        self.mapping.is_none() && self.mappings.is_empty()
    }
}

fn digest(body: &[u8]) -> String {
    Sha256::digest(body).iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(settings: &str) -> Webhook {
        Webhook::new("shop", &toml::from_str(settings).expect("settings"), ["secret"]).expect("sound")
    }

    /// Each event's message id, or the reason and field of a refusal.
    fn told(batch: &Batch) -> Vec<String> {
        let decoded = batch.decoded("shop", Timestamp::from_ms(0));
        let told = decoded.into_iter().map(|row| match row.event {
            Ok(event) => {
                let event: serde_json::Value = serde_json::from_slice(event.bytes).expect("JSON");
                event["messageId"].as_str().unwrap_or_default().to_owned()
            }
            Err(Rejection { reason, field, .. }) => format!("{} {}", reason.as_str(), field.unwrap_or_default()),
        });
        told.collect()
    }

    fn told_of(settings: &str, headers: &[(&str, &str)], body: &str) -> Vec<String> {
        let headers = Headers::of(headers.iter().map(|(name, value)| (*name, value.as_bytes())));
        told(&webhook(settings).events(&headers, body.as_bytes(), 3))
    }

    #[test]
    fn a_delivery_names_its_messages() {
        let mapping = "[mapping]\nuser_id = 'user'\nevent = 'E'";
        let generic = "scheme = 'generic'\nsignature = { header = 'x' }\n";
        let content = digest(br#"{"user":1}"#);
        let content = format!("shop:{content}");
        for (settings, headers, body, expected) in [
            ("scheme = 'stripe'\n", &[][..], r#"{"id":"evt_1","user":1}"#, vec!["shop:evt_1"]),
            ("scheme = 'stripe'\n", &[], r#"{"user":1}"#, vec![content.as_str()]),
            (
                "scheme = 'shopify'\n",
                &[("x-shopify-event-id", "e"), ("x-shopify-webhook-id", "w")],
                r#"{"user":1}"#,
                vec!["shop:w"],
            ),
            ("scheme = 'shopify'\n", &[("x-shopify-event-id", "e")], r#"{"user":1}"#, vec!["shop:e"]),
            ("scheme = 'github'\n", &[("x-github-delivery", "g")], r#"{"user":1}"#, vec!["shop:g"]),
            ("scheme = 'github'\n", &[("x-github-delivery", " ")], r#"{"user":1}"#, vec![content.as_str()]),
            (
                "scheme = 'github'\n",
                &[("x-github-delivery", "g")],
                r#"[{"user":1},{"user":1}]"#,
                vec!["shop:g:1", "shop:g:2"],
            ),
            (generic, &[], r#"{"user":1}"#, vec![content.as_str()]),
        ] {
            assert_eq!(told_of(&format!("{settings}{mapping}"), headers, body), expected, "{settings} {body}");
        }
        let own = format!("{generic}[mapping]\nuser_id = 'user'\nevent = 'E'\nmessage_id = ['@headers.x-id', 'line']");
        let body = r#"[{"user":1,"line":7},{"user":1,"line":8}]"#;
        assert_eq!(told_of(&own, &[("x-id", "d")], body), ["shop:d:7", "shop:d:8"]);
    }

    #[test]
    fn each_kind_has_its_mapping_or_that_of_all_others() {
        let by_kind = "scheme = 'github'\n[mappings.push]\nuser_id = 'pusher.name'\nevent = 'Pushed'";
        let with_others = format!("{by_kind}\n[mapping]\nuser_id = 'sender.id'\nevent = 'Other'");
        let body = r#"{"pusher":{"name":"jane"}}"#;
        let headers = |kind: &'static str| [("x-github-event", kind), ("x-github-delivery", "d")];
        assert_eq!(told_of(by_kind, &headers("push"), body), ["shop:d"]);
        assert_eq!(told_of(by_kind, &headers("ping"), body), ["bad_row @headers.x-github-event"]);
        assert_eq!(told_of(&with_others, &headers("ping"), body), ["no_identifier sender.id"]);
        assert_eq!(told_of(&with_others, &headers("ping"), r#"{"sender":{"id":5}}"#), ["shop:d"]);
    }

    #[test]
    fn a_payload_that_is_no_row_is_one_refusal() {
        let settings = "scheme = 'generic'\nsignature = { header = 'x' }\nrows = 'events'\n[mapping]\nuser_id = 'user'";
        for (body, expected) in [
            ("payload=%7B%7D", vec!["not_json "]),
            ("{}", vec!["bad_row events"]),
            (r#"{"events":[]}"#, vec![]),
            (r#"{"events":[1,{},{"user":""}]}"#, vec!["not_json ", "no_identifier user", "no_identifier user"]),
            (r#"{"events":[1,2,3,4]}"#, vec!["bad_row "]),
        ] {
            assert_eq!(told_of(settings, &[], body), expected, "{body}");
        }
    }

    #[test]
    fn what_was_refused_can_be_mapped_again() {
        let before = webhook("scheme = 'github'\n[mapping]\nuser_id = 'nobody'");
        let after =
            webhook("scheme = 'github'\n[mapping]\nuser_id = 'sender'\nevent = { column = '@headers.x-github-event' }");
        let headers = [("x-github-event", &b"push"[..]), ("x-github-delivery", &b"d"[..])];
        for (body, expected) in
            [(r#"{"sender":"jane"}"#, Some("shop:d")), ("5", None), ("{", None), ("\"@delivery\"", None)]
        {
            let batch = before.events(&Headers::of(headers), body.as_bytes(), 3);
            let refused = batch.decoded("shop", Timestamp::from_ms(0));
            let [row] = &refused[..] else { panic!("one row") };
            assert!(row.event.is_err());
            let again = after.events_again(row.bytes).map(|batch| told(&batch).join(" "));
            assert_eq!(again.as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn segment_shaped_rows_are_events_as_they_stand() {
        let settings = "scheme = 'generic'\nsignature = { header = 'x' }";
        let batch = webhook(settings).events(&Headers::default(), br#"[{"messageId":"m","type":"track"}]"#, 3);
        assert_eq!(told(&batch), ["m"]);
    }

    #[test]
    fn a_secret_that_is_not_as_said_is_told() {
        let settings = "scheme = 'generic'\nsignature = { header = 'x', secret = 'base64' }";
        let settings = toml::from_str(settings).expect("settings");
        assert_eq!(Webhook::new("shop", &settings, ["!"]).err(), Some(BadSecret::NotAsSaid));
    }
}
