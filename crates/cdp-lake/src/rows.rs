//! Domain values become rows of the tables.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, Float64Builder, Int32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use cdp_event::{Event, Identifier, Offset, PartitionId, Rejection, Timestamp};
use cdp_identity::ProfileId;

use crate::layout;

/// A column of moments: microseconds of UTC.
struct Moments(TimestampMicrosecondBuilder);

impl Moments {
    fn new() -> Self {
        Self(TimestampMicrosecondBuilder::new().with_timezone("UTC"))
    }

    fn push(&mut self, moment: Option<Timestamp>) {
        self.0.append_option(moment.map(|m| m.as_ms().saturating_mul(1000)));
    }
}

/// The three columns that every table ends with.
struct Positions {
    partition: StringBuilder,
    sequence: StringBuilder,
    sub: Int32Builder,
}

impl Positions {
    fn new() -> Self {
        Self { partition: StringBuilder::new(), sequence: StringBuilder::new(), sub: Int32Builder::new() }
    }

    fn push(&mut self, partition: &PartitionId, offset: Offset) {
        self.partition.append_value(partition.as_str());
        // Writing to a builder of text does not fail.
        let _ = write!(self.sequence, "{}", offset.sequence);
        self.sequence.append_value("");
        self.sub.append_value(i32::try_from(offset.sub).unwrap_or(i32::MAX));
    }

    fn finish(&mut self) -> [ArrayRef; 3] {
        [Arc::new(self.partition.finish()), Arc::new(self.sequence.finish()), Arc::new(self.sub.finish())]
    }
}

fn arrays(columns: impl IntoIterator<Item = StringBuilder>) -> impl Iterator<Item = ArrayRef> {
    columns.into_iter().map(|mut column| Arc::new(column.finish()) as ArrayRef)
}

const EVENT_TEXTS: usize = 10;
const FACT_TEXTS: usize = 10;
/// As long as most ids and names are.
const USUAL_TEXT_BYTES: usize = 40;

pub struct EventRows {
    timestamp: Moments,
    /// `type` to `source`, in the layout's order.
    texts: [StringBuilder; EVENT_TEXTS],
    received_at: Moments,
    original_timestamp: Moments,
    sent_at: Moments,
    /// `page_url` to `library_name`.
    facts: [StringBuilder; FACT_TEXTS],
    revenue: Float64Builder,
    /// `currency` to `context`.
    rest: [StringBuilder; 5],
    positions: Positions,
}

impl Default for EventRows {
    fn default() -> Self {
        Self::sized_for([])
    }
}

impl EventRows {
    /// No rows yet, and room for those of `events`: their JSON is most of a row, and a column that grows is copied.
    pub fn sized_for<'e>(events: impl IntoIterator<Item = &'e Event<'e>>) -> Self {
        let (mut rows, mut properties, mut traits, mut context) = (0, 0, 0, 0);
        let bytes = |json: &Option<Cow<'_, str>>| json.as_deref().map_or(0, str::len);
        for event in events {
            rows += 1;
            properties += bytes(&event.properties);
            traits += bytes(&event.traits);
            context += bytes(&event.context);
        }
        let texts = |bytes: usize| StringBuilder::with_capacity(rows, bytes);
        Self {
            timestamp: Moments::new(),
            texts: std::array::from_fn(|_| texts(rows * USUAL_TEXT_BYTES)),
            received_at: Moments::new(),
            original_timestamp: Moments::new(),
            sent_at: Moments::new(),
            facts: std::array::from_fn(|_| texts(rows * USUAL_TEXT_BYTES)),
            revenue: Float64Builder::new(),
            rest: [texts(0), texts(0), texts(properties), texts(traits), texts(context)],
            positions: Positions::new(),
        }
    }

    pub fn push(&mut self, partition: &PartitionId, event: &Event<'_>, profile: ProfileId) {
        self.timestamp.push(Some(event.timestamp));
        profile.with_text(|profile| {
            let texts = [
                Some(event.kind.as_str()),
                event.event.as_deref(),
                event.name.as_deref(),
                Some(profile),
                event.user_id.as_deref(),
                event.anonymous_id.as_deref(),
                event.group_id.as_deref(),
                event.previous_id.as_deref(),
                Some(&*event.message_id),
                Some(&*event.source),
            ];
            self.texts.iter_mut().zip(texts).for_each(|(column, text)| column.append_option(text));
        });
        self.received_at.push(Some(event.received_at));
        self.original_timestamp.push(event.original_timestamp);
        self.sent_at.push(event.sent_at);
        let facts = &event.facts;
        let texts = [
            &facts.page_url,
            &facts.page_path,
            &facts.page_referrer,
            &facts.campaign_name,
            &facts.campaign_source,
            &facts.campaign_medium,
            &facts.device_type,
            &facts.ip,
            &facts.locale,
            &facts.library_name,
        ];
        self.facts.iter_mut().zip(texts).for_each(|(column, text)| column.append_option(text.as_deref()));
        self.revenue.append_option(facts.revenue);
        let rest = [&facts.currency, &facts.order_id, &event.properties, &event.traits, &event.context];
        self.rest.iter_mut().zip(rest).for_each(|(column, text)| column.append_option(text.as_deref()));
        self.positions.push(partition, event.offset);
    }

    pub fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.timestamp.0.finish())];
        columns.extend(arrays(self.texts));
        for moments in [&mut self.received_at, &mut self.original_timestamp, &mut self.sent_at] {
            columns.push(Arc::new(moments.0.finish()));
        }
        columns.extend(arrays(self.facts));
        columns.push(Arc::new(self.revenue.finish()));
        columns.extend(arrays(self.rest));
        columns.extend(self.positions.finish());
        RecordBatch::try_new(layout::EVENTS.clone(), columns)
    }
}

/// One refused record, as the `quarantine` table tells it.
pub struct QuarantineRow<'a> {
    pub received_at: Timestamp,
    pub source: &'a str,
    pub rejection: &'a Rejection,
    pub bytes: &'a [u8],
    /// What a request said of it outside of `bytes`, in JSON.
    pub request: Option<&'a str>,
}

pub struct QuarantineRows {
    received_at: Moments,
    texts: [StringBuilder; 5],
    bytes: BinaryBuilder,
    requests: StringBuilder,
    positions: Positions,
}

impl Default for QuarantineRows {
    fn default() -> Self {
        Self {
            received_at: Moments::new(),
            texts: Default::default(),
            bytes: BinaryBuilder::new(),
            requests: StringBuilder::new(),
            positions: Positions::new(),
        }
    }
}

impl QuarantineRows {
    pub fn push(&mut self, partition: &PartitionId, offset: Offset, row: &QuarantineRow<'_>) {
        let QuarantineRow { received_at, source, rejection, bytes, request } = *row;
        self.received_at.push(Some(received_at));
        let remedy = if partition.is_of_a_file() { rejection.remedy_in_file() } else { rejection.reason.remedy() };
        let texts = [
            Some(source),
            Some(rejection.reason.as_str()),
            rejection.field.as_deref(),
            Some(rejection.detail.as_str()),
            Some(remedy),
        ];
        self.texts.iter_mut().zip(texts).for_each(|(column, text)| column.append_option(text));
        self.bytes.append_value(bytes);
        self.requests.append_option(request);
        self.positions.push(partition, offset);
    }

    pub fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.received_at.0.finish())];
        columns.extend(arrays(self.texts));
        columns.push(Arc::new(self.bytes.finish()));
        columns.push(Arc::new(self.requests.finish()));
        columns.extend(self.positions.finish());
        RecordBatch::try_new(layout::QUARANTINE.clone(), columns)
    }
}

/// One decision, as the `identity` table tells it.
pub struct IdentityRow<'a> {
    pub decided_at: Timestamp,
    pub decision: &'static str,
    pub profile: ProfileId,
    pub identifier: Option<&'a Identifier<'a>>,
    pub other: Option<ProfileId>,
    pub canonical: Option<ProfileId>,
    pub revision: Option<i64>,
    pub rule: Option<&'a str>,
}

pub struct IdentityRows {
    decided_at: Moments,
    /// `decision` to `canonical_id`.
    texts: [StringBuilder; 6],
    revision: Int64Builder,
    rule: StringBuilder,
    rules_version: StringBuilder,
    positions: Positions,
}

impl Default for IdentityRows {
    fn default() -> Self {
        Self {
            decided_at: Moments::new(),
            texts: Default::default(),
            revision: Int64Builder::new(),
            rule: StringBuilder::new(),
            rules_version: StringBuilder::new(),
            positions: Positions::new(),
        }
    }
}

impl IdentityRows {
    pub fn push(&mut self, partition: &PartitionId, offset: Offset, rules_version: &str, row: &IdentityRow<'_>) {
        self.decided_at.push(Some(row.decided_at));
        let (profile, other, canonical) =
            (row.profile.to_string(), row.other.map(|id| id.to_string()), row.canonical.map(|id| id.to_string()));
        let texts = [
            Some(row.decision),
            Some(profile.as_str()),
            row.identifier.map(|id| id.namespace.as_str()),
            row.identifier.map(|id| &*id.value),
            other.as_deref(),
            canonical.as_deref(),
        ];
        self.texts.iter_mut().zip(texts).for_each(|(column, text)| column.append_option(text));
        self.revision.append_option(row.revision);
        self.rule.append_option(row.rule);
        self.rules_version.append_value(rules_version);
        self.positions.push(partition, offset);
    }

    pub fn is_empty(&self) -> bool {
        use arrow::array::ArrayBuilder;
        self.rule.is_empty()
    }

    pub fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.decided_at.0.finish())];
        columns.extend(arrays(self.texts));
        columns.push(Arc::new(self.revision.finish()));
        columns.extend(arrays([self.rule, self.rules_version]));
        columns.extend(self.positions.finish());
        RecordBatch::try_new(layout::IDENTITY.clone(), columns)
    }
}

/// A person as it stood, as the `profiles` table tells it. JSON parts are text.
pub struct ProfileRow<'a> {
    pub profile: ProfileId,
    pub revision: i64,
    pub merged_into: Option<ProfileId>,
    pub first_seen: Option<Timestamp>,
    pub last_seen: Option<Timestamp>,
    pub events: u64,
    pub traits: &'a str,
    pub identifiers: &'a str,
    pub counts: &'a str,
    pub members: &'a str,
    pub written_at: Timestamp,
}

pub struct ProfileRows {
    profile_id: StringBuilder,
    revision: Int64Builder,
    merged_into: StringBuilder,
    created_at: Moments,
    first_seen: Moments,
    last_seen: Moments,
    events: Int64Builder,
    /// `traits` to `members`.
    json: [StringBuilder; 4],
    written_at: Moments,
    positions: Positions,
}

impl Default for ProfileRows {
    fn default() -> Self {
        Self {
            profile_id: StringBuilder::new(),
            revision: Int64Builder::new(),
            merged_into: StringBuilder::new(),
            created_at: Moments::new(),
            first_seen: Moments::new(),
            last_seen: Moments::new(),
            events: Int64Builder::new(),
            json: Default::default(),
            written_at: Moments::new(),
            positions: Positions::new(),
        }
    }
}

impl ProfileRows {
    pub fn push(&mut self, partition: &PartitionId, offset: Offset, row: &ProfileRow<'_>) {
        row.profile.with_text(|id| self.profile_id.append_value(id));
        self.revision.append_value(row.revision);
        self.merged_into.append_option(row.merged_into.map(|id| id.to_string()));
        self.created_at.push(Some(row.profile.created_at()));
        self.first_seen.push(row.first_seen);
        self.last_seen.push(row.last_seen);
        self.events.append_value(i64::try_from(row.events).unwrap_or(i64::MAX));
        let json = [row.traits, row.identifiers, row.counts, row.members];
        self.json.iter_mut().zip(json).for_each(|(column, text)| column.append_value(text));
        self.written_at.push(Some(row.written_at));
        self.positions.push(partition, offset);
    }

    pub fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.profile_id.finish()),
            Arc::new(self.revision.finish()),
            Arc::new(self.merged_into.finish()),
            Arc::new(self.created_at.0.finish()),
            Arc::new(self.first_seen.0.finish()),
            Arc::new(self.last_seen.0.finish()),
            Arc::new(self.events.finish()),
        ];
        columns.extend(arrays(self.json));
        columns.push(Arc::new(self.written_at.0.finish()));
        columns.extend(self.positions.finish());
        RecordBatch::try_new(layout::PROFILES.clone(), columns)
    }
}
