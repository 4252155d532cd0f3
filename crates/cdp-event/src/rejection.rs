//! Why a record can't become an event. Kept with the record's bytes in quarantine, so that it can be mended and replayed.

use std::fmt;

/// The reason's code is part of the `quarantine` table's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    NotUtf8,
    NotJson,
    TooLarge,
    TooDeep,
    DuplicateKey,
    WrongType,
    MissingType,
    UnknownType,
    NoIdentifier,
    BlockedIdentifiers,
    BadIdentifier,
    BadMessageId,
    MissingEvent,
    MissingGroupId,
    MissingPreviousId,
    BadTimestamp,
    BadEnvelope,
    BadRow,
    ProfileFull,
}

impl Reason {
    pub const ALL: [Self; 19] = [
        Self::NotUtf8,
        Self::NotJson,
        Self::TooLarge,
        Self::TooDeep,
        Self::DuplicateKey,
        Self::WrongType,
        Self::MissingType,
        Self::UnknownType,
        Self::NoIdentifier,
        Self::BlockedIdentifiers,
        Self::BadIdentifier,
        Self::BadMessageId,
        Self::MissingEvent,
        Self::MissingGroupId,
        Self::MissingPreviousId,
        Self::BadTimestamp,
        Self::BadEnvelope,
        Self::BadRow,
        Self::ProfileFull,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not_utf8",
            Self::NotJson => "not_json",
            Self::TooLarge => "too_large",
            Self::TooDeep => "too_deep",
            Self::DuplicateKey => "duplicate_key",
            Self::WrongType => "wrong_type",
            Self::MissingType => "missing_type",
            Self::UnknownType => "unknown_type",
            Self::NoIdentifier => "no_identifier",
            Self::BlockedIdentifiers => "blocked_identifiers",
            Self::BadIdentifier => "bad_identifier",
            Self::BadMessageId => "bad_message_id",
            Self::MissingEvent => "missing_event",
            Self::MissingGroupId => "missing_group_id",
            Self::MissingPreviousId => "missing_previous_id",
            Self::BadTimestamp => "bad_timestamp",
            Self::BadEnvelope => "bad_envelope",
            Self::BadRow => "bad_row",
            Self::ProfileFull => "profile_full",
        }
    }

    pub const fn remedy(self) -> &'static str {
        match self {
            Self::NotUtf8 => "send the event as UTF-8",
            Self::NotJson => "send one JSON object for each event",
            Self::TooLarge => "send at most 32 KiB in an event, and large values by reference",
            Self::TooDeep => "nest objects and arrays at most 64 deep",
            Self::DuplicateKey => "send each key once",
            Self::WrongType => "send the field in the type that the Segment spec gives it",
            Self::MissingType => "set `type`",
            Self::UnknownType => "set `type` to track, identify, page, screen, group or alias",
            Self::NoIdentifier => "set a non-empty `userId` or `anonymousId`",
            Self::BlockedIdentifiers => "send an identifier that names one person, not a placeholder",
            Self::BadIdentifier => "send an identifier of 1 to 500 characters without control characters",
            Self::BadMessageId => "send a `messageId` of at most 100 characters, or none",
            Self::MissingEvent => "set `event` to the name of what happened",
            Self::MissingGroupId => "set a non-empty `groupId`",
            Self::MissingPreviousId => "set a non-empty `previousId`",
            Self::BadTimestamp => {
                "send ISO 8601 with an offset, between 1900 and 2200, such as 2026-01-31T09:30:00.000Z, or the format that the source's mapping names"
            }
            Self::BadEnvelope => {
                "write plain event JSON, or lines of it that gzip or zstd compressed; or use the HTTP API"
            }
            Self::BadRow => "mend the mapping of its webhook and replay",
            Self::ProfileFull => {
                "block the identifier that so many events share, or wait until fewer come, then replay"
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub reason: Reason,
    /// The field's path, where one is to blame: `context.device.id`.
    pub field: Option<String>,
    pub detail: String,
}

impl Rejection {
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, field: None, detail: detail.into() }
    }

    pub fn of(field: impl Into<String>, reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, field: Some(field.into()), detail: detail.into() }
    }

    /// For a row of a dropped file, whose fields are the file's columns. Where none is to blame, the row is not cut as it should be,
    /// and no replay makes an event of it.
    pub const fn remedy_in_file(&self) -> &'static str {
        match (self.reason, &self.field) {
            (Reason::NoIdentifier | Reason::MissingEvent, Some(_)) => {
                "give the field a value and drop the row as a file; or map another column and replay"
            }
            (Reason::BadRow, Some(_)) => {
                "correct the value and drop the row as a file; or mend the mapping of this column and replay"
            }
            (Reason::BadRow, None) => {
                "correct the row and drop it as a file; a file of which nothing was taken is read again once its source's settings have changed"
            }
            (Reason::TooLarge, _) => "shorten the row to at most 32 KiB and drop it as a file",
            (Reason::NotUtf8, _) => "save the row in UTF-8, or in the `encoding` of its source, and drop it as a file",
            (reason, _) => reason.remedy(),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        write!(f, "{} ({}); {}", self.detail, self.reason.as_str(), self.reason.remedy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_fits_where_the_record_came_from() {
        let missing = Rejection::of("card", Reason::NoIdentifier, "no column that names the person has a value");
        let cut = Rejection::new(Reason::BadRow, "the row has 2 fields of 3");
        let value = Rejection::of("paid", Reason::BadRow, "\"x\" is no number");
        assert!(missing.reason.remedy().contains("userId"));
        for (rejection, replays) in [(&missing, true), (&value, true), (&cut, false)] {
            let remedy = rejection.remedy_in_file();
            assert!(!remedy.contains("userId") && remedy.contains("drop"), "{remedy}");
            assert_eq!(remedy.contains("replay"), replays, "{remedy}");
        }
    }
}
