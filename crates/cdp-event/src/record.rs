//! Bytes as they arrived, before and after they are taken out of their wrapping.

use std::borrow::Cow;

use bytes::Bytes;
use bytestring::ByteString;

use crate::{EventKind, Offset, Sequence, Timestamp};

/// What a partition holds at one sequence number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub sequence: Sequence,
    /// When the partition took it in.
    pub arrived_at: Timestamp,
    pub partition_key: ByteString,
    pub data: Bytes,
}

/// One event's bytes and what is known about them from outside. Borrows from its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEvent<'a> {
    pub offset: Offset,
    pub source: Cow<'a, str>,
    pub received_at: Timestamp,
    /// The producer's clock when it sent the request, where the request said so.
    pub sent_at: Option<Timestamp>,
    /// Known from the request's path, where the body does not repeat it.
    pub kind: Option<EventKind>,
    /// Context that a whole request shared: a JSON object.
    pub context: Option<Cow<'a, str>>,
    pub bytes: &'a [u8],
}

impl<'a> RawEvent<'a> {
    /// An event that came without a request around it.
    pub fn plain(offset: Offset, source: &'a str, received_at: Timestamp, bytes: &'a [u8]) -> Self {
        let source = Cow::Borrowed(source);
        Self { offset, source, received_at, sent_at: None, kind: None, context: None, bytes }
    }
}
