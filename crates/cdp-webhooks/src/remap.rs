//! Rows that were refused, mapped again: what is in quarantine is the row, not the event that its mapping could not make.

use bytes::Bytes;
use cdp_app::Remapped;
use cdp_event::{Decoded, Timestamp};

use crate::Webhook;

/// As [`cdp_app::Replay`] asks for it.
pub fn remap(webhooks: &[Webhook]) -> impl Fn(&str, Timestamp, &[u8]) -> Option<Vec<Remapped>> + Sync {
    |source, received_at, bytes| {
        let batch = webhooks.iter().find(|webhook| webhook.name() == source)?.events_again(bytes)?;
        let of_row = |row: Decoded<'_>| match row.event {
            Ok(event) => Remapped { bytes: Bytes::copy_from_slice(event.bytes), refused: None },
            Err(rejection) => Remapped { bytes: Bytes::copy_from_slice(row.bytes), refused: Some(rejection) },
        };
        Some(batch.decoded(source, received_at).into_iter().map(of_row).collect())
    }
}

#[cfg(test)]
mod tests {
    use cdp_event::Reason;

    use super::*;

    #[test]
    fn a_webhooks_row_is_mapped_again_and_all_else_goes_as_it_is() {
        let settings = r#"{"scheme":"github","mapping":{"user_id":"id","event":"E"}}"#;
        let settings = serde_json::from_str(settings).expect("settings");
        let webhooks = [Webhook::new("repo", &settings, []).expect("sound")];
        let remap = remap(&webhooks);
        for (source, bytes, expected) in [
            (
                "repo",
                r#"{"@delivery":"d","id":7}"#,
                Some((r#"{"type":"track","messageId":"repo:d","userId":"7","#, None)),
            ),
            ("repo", r#"{"@delivery":"d"}"#, Some((r#"{"@delivery":"d"}"#, Some(Reason::NoIdentifier)))),
            ("repo", r#"{"type":"track"}"#, None),
            ("web", r#"{"@delivery":"d","id":7}"#, None),
        ] {
            let again = remap(source, Timestamp::from_ms(0), bytes.as_bytes());
            let Some((begins, refused)) = expected else {
                assert_eq!(again, None, "{source} {bytes}");
                continue;
            };
            let again = again.expect("it is mapped");
            let [row] = &again[..] else { panic!("{bytes}: {} rows", again.len()) };
            assert!(row.bytes.starts_with(begins.as_bytes()), "{bytes}: {}", row.bytes.escape_ascii());
            assert_eq!(row.refused.as_ref().map(|refused| refused.reason), refused, "{bytes}");
        }
    }
}
