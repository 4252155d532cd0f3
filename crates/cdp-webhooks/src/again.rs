//! Rows that were refused, mapped again: what is in quarantine is the row, not the event that its mapping could not make.

use bytes::Bytes;
use cdp_app::{Again, RefusedRow, Remapped};
use cdp_event::Decoded;

use crate::Webhook;

/// As [`cdp_app::Replay`] asks for it.
pub fn again(webhook: &Webhook, row: &RefusedRow<'_>) -> Again {
    let Some(batch) = webhook.events_again(row.bytes) else { return Again::AsItIs };
    let event_of = |row: Decoded<'_>| match row.event {
        Ok(event) => Remapped { bytes: Bytes::copy_from_slice(event.bytes), refused: None },
        Err(rejection) => Remapped { bytes: Bytes::copy_from_slice(row.bytes), refused: Some(rejection) },
    };
    Again::Mapped(batch.decoded(row.source, row.received_at).into_iter().map(event_of).collect())
}

#[cfg(test)]
mod tests {
    use cdp_event::{Reason, Timestamp};

    use super::*;

    #[test]
    fn a_webhooks_row_is_mapped_again_and_all_else_goes_as_it_is() {
        let settings = r#"{"scheme":"github","mapping":{"user_id":"id","event":"E"}}"#;
        let settings = serde_json::from_str(settings).expect("settings");
        let webhook = Webhook::new("repo", &settings, []).expect("sound");
        for (bytes, expected) in [
            (r#"{"@delivery":"d","id":7}"#, Some((r#"{"type":"track","messageId":"repo:d","userId":"7","#, None))),
            (r#"{"@delivery":"d"}"#, Some((r#"{"@delivery":"d"}"#, Some(Reason::NoIdentifier)))),
            (r#"{"type":"track"}"#, None),
        ] {
            let received_at = Timestamp::from_ms(0);
            let row = RefusedRow { source: "repo", received_at, bytes: bytes.as_bytes(), of_file: None };
            let Some((begins, refused)) = expected else {
                assert_eq!(again(&webhook, &row), Again::AsItIs, "{bytes}");
                continue;
            };
            let Again::Mapped(events) = again(&webhook, &row) else { panic!("{bytes} is not mapped") };
            let [event] = &events[..] else { panic!("{bytes}: {} events", events.len()) };
            assert!(event.bytes.starts_with(begins.as_bytes()), "{bytes}: {}", event.bytes.escape_ascii());
            assert_eq!(event.refused.as_ref().map(|refused| refused.reason), refused, "{bytes}");
        }
    }
}
