//! An event's time stamps.

use std::borrow::Cow;

use crate::{RawEvent, Reason, Rejection, Timestamp};

/// How far ahead of our clock a corrected time stamp may be. Later ones would win every trait for ever.
const MAX_AHEAD_MS: i64 = 3_600_000;

/// When an event happened, corrected, and when it was made and sent by its producer's clock.
pub(super) struct Times {
    pub happened: Timestamp,
    pub original: Option<Timestamp>,
    pub sent: Option<Timestamp>,
}

impl Times {
    /// The Segment spec's correction: `timestamp = receivedAt - (sentAt - originalTimestamp)`, so that a producer's wrong
    /// clock cancels out. An event that carries both time stamps was corrected before it came here.
    pub fn read(
        timestamp: Option<Cow<'_, str>>,
        original: Option<Cow<'_, str>>,
        sent: Option<Cow<'_, str>>,
        raw: &RawEvent<'_>,
    ) -> Result<Self, Rejection> {
        let stated = moment("timestamp", timestamp)?;
        let original = moment("originalTimestamp", original)?;
        let sent = moment("sentAt", sent)?.or(raw.sent_at.filter(|sent| sent.is_in_range()));
        let happened = match (stated, original, sent) {
            (Some(corrected), Some(_), _) => corrected,
            (Some(clock), None, Some(sent)) | (None, Some(clock), Some(sent)) => {
                raw.received_at.plus_ms(clock.as_ms() - sent.as_ms())
            }
            (Some(clock), None, None) | (None, Some(clock), None) => clock,
            (None, None, _) => raw.received_at,
        };
        let happened = if happened > raw.received_at.plus_ms(MAX_AHEAD_MS) { raw.received_at } else { happened };
        Ok(Self {
            happened: happened.clamp(Timestamp::EARLIEST, Timestamp::LATEST),
            original: original.or(stated),
            sent,
        })
    }
}

fn moment(field: &str, text: Option<Cow<'_, str>>) -> Result<Option<Timestamp>, Rejection> {
    let Some(text) = text else { return Ok(None) };
    let bad = |detail: String| Rejection::of(field, Reason::BadTimestamp, detail);
    let moment: Timestamp = text.parse().map_err(|error: crate::NotATime| bad(error.to_string()))?;
    if moment.is_in_range() { Ok(Some(moment)) } else { Err(bad(format!("{text:?} is out of range"))) }
}
