//! The layouts of the tables, as `schemas/tables/` promises them. Columns are only ever added, at the end, nullable.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn required_text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, false)
}

fn moment(name: &str) -> Field {
    Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC"))), true)
}

fn required_moment(name: &str) -> Field {
    moment(name).with_nullable(false)
}

fn count(name: &str) -> Field {
    Field::new(name, DataType::Int64, false)
}

fn position() -> [Field; 3] {
    [required_text("partition"), required_text("sequence"), Field::new("sub", DataType::Int32, false)]
}

/// The partition column of every table: the UTC date on which the platform received the record, or, in `identity` and
/// `profiles`, wrote the row. It is in the path of a file, not in its columns.
pub const DATE: &str = "date";

/// One row for each accepted event.
pub static EVENTS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = vec![
        required_moment("timestamp"),
        required_text("type"),
        text("event"),
        text("name"),
        required_text("profile_id"),
        text("user_id"),
        text("anonymous_id"),
        text("group_id"),
        text("previous_id"),
        required_text("message_id"),
        required_text("source"),
        required_moment("received_at"),
        moment("original_timestamp"),
        moment("sent_at"),
        text("page_url"),
        text("page_path"),
        text("page_referrer"),
        text("campaign_name"),
        text("campaign_source"),
        text("campaign_medium"),
        text("device_type"),
        text("ip"),
        text("locale"),
        text("library_name"),
        Field::new("revenue", DataType::Float64, true),
        text("currency"),
        text("order_id"),
        text("properties"),
        text("traits"),
        text("context"),
    ];
    fields.extend(position());
    Arc::new(Schema::new(fields))
});

/// One row for each refused record, with its bytes.
pub static QUARANTINE: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = vec![
        required_moment("received_at"),
        required_text("source"),
        required_text("reason"),
        text("field"),
        required_text("detail"),
        required_text("remedy"),
        Field::new("bytes", DataType::Binary, false),
        text("request"),
    ];
    fields.extend(position());
    Arc::new(Schema::new(fields))
});

/// One row for each decision about identity: `claim`, `edge`, `canonical`, `demoted`, `blocked`.
pub static IDENTITY: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = vec![
        required_moment("decided_at"),
        required_text("decision"),
        required_text("profile_id"),
        text("namespace"),
        text("value"),
        text("other_profile_id"),
        text("canonical_id"),
        Field::new("revision", DataType::Int64, true),
        text("rule"),
        required_text("rules_version"),
    ];
    fields.extend(position());
    Arc::new(Schema::new(fields))
});

/// One row for each change of a person: the row with the highest `revision` of a `profile_id` is the newest. A profile
/// that was merged into another has a last row with `merged_into`.
pub static PROFILES: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = vec![
        required_text("profile_id"),
        count("revision"),
        text("merged_into"),
        required_moment("created_at"),
        moment("first_seen"),
        moment("last_seen"),
        count("events"),
        required_text("traits"),
        required_text("identifiers"),
        required_text("counts"),
        required_text("members"),
        required_moment("written_at"),
    ];
    fields.extend(position());
    Arc::new(Schema::new(fields))
});
