//! Events from the rows that the statement finds. All of their columns are text.

use arrow::array::{Array, AsArray, StringArray};
use arrow::record_batch::RecordBatch;
use cdp_event::Timestamp;
use cdp_profile::RecentEvent;

use super::PastEvent;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Unexpected {
    #[error("the answer has other columns than were asked for")]
    Columns,
    #[error("the answer's row {0} is no event")]
    Row(usize),
}

pub(super) fn past_events(batch: &RecordBatch) -> Result<Vec<PastEvent>, Unexpected> {
    let columns: Option<Vec<&StringArray>> = batch.columns().iter().map(|column| column.as_string_opt()).collect();
    let columns = columns.and_then(|columns| columns.try_into().ok()).ok_or(Unexpected::Columns)?;
    (0..batch.num_rows()).map(|row| past_event(columns, row).ok_or(Unexpected::Row(row))).collect()
}

fn past_event(columns: [&StringArray; 9], row: usize) -> Option<PastEvent> {
    let text = |column: &StringArray| column.is_valid(row).then(|| column.value(row).to_owned());
    let [moment, message_id, kind, name, source, properties, user_id, anonymous_id, context] = columns.map(text);
    let event = RecentEvent {
        timestamp: read_moment(&moment?)?,
        message_id: message_id?.into(),
        kind: kind?.parse().ok()?,
        name: name.map(Into::into),
        source: source?.into(),
        properties: properties.map(Into::into),
    };
    Some(PastEvent { event, user_id, anonymous_id, context })
}

/// Each engine writes it in its own way. What has no offset is of UTC.
fn read_moment(text: &str) -> Option<Timestamp> {
    let text = text.trim_end_matches(" UTC");
    text.parse().or_else(|_| format!("{text}Z").parse()).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};
    use cdp_event::EventKind;

    use super::*;

    const COLUMNS: [&str; 9] =
        ["moment", "message_id", "type", "name", "source", "properties", "user_id", "anonymous_id", "context"];
    const USUAL: [Option<&str>; 9] =
        [Some("2026-01-31 09:30:00.250 UTC"), Some("m"), Some("track"), None, Some("web"), None, None, Some("a"), None];

    /// One row, whose cells are the usual ones but for those that are given.
    pub fn batch(cells: &[(&str, Option<&str>)]) -> RecordBatch {
        let cell = |name: &str, usual| cells.iter().find(|(given, _)| *given == name).map_or(usual, |(_, cell)| *cell);
        let columns = COLUMNS.into_iter().zip(USUAL).map(|(name, usual)| {
            let column: ArrayRef = Arc::new(StringArray::from(vec![cell(name, usual)]));
            (name, column, true)
        });
        RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one row")
    }

    #[test]
    fn a_row_is_an_event_with_its_ids_and_context() {
        let told =
            [("name", Some("Seen")), ("properties", Some("{}")), ("user_id", Some("")), ("context", Some("{\"n\":1}"))];
        let expected = PastEvent {
            event: RecentEvent {
                timestamp: "2026-01-31T09:30:00.250Z".parse().expect("a time"),
                message_id: "m".into(),
                kind: EventKind::Track,
                name: Some("Seen".into()),
                source: "web".into(),
                properties: Some("{}".into()),
            },
            user_id: Some(String::new()),
            anonymous_id: Some("a".to_owned()),
            context: Some("{\"n\":1}".to_owned()),
        };
        assert_eq!(past_events(&batch(&told)), Ok(vec![expected]));
    }

    #[test]
    fn a_moment_is_read_as_any_engine_writes_it() {
        for text in [
            "2026-01-31 09:30:00.250 UTC",
            "2026-01-31 09:30:00.250",
            "2026-01-31T09:30:00.250Z",
            "2026-01-31 09:30:00.25+00",
        ] {
            let events = past_events(&batch(&[("moment", Some(text))])).expect(text);
            assert_eq!(events[0].event.timestamp.to_string(), "2026-01-31T09:30:00.250Z", "{text}");
        }
    }

    #[test]
    fn what_is_no_event_is_told() {
        for cell in [("moment", Some("yesterday")), ("moment", None), ("message_id", None), ("type", Some("tracked"))] {
            assert_eq!(past_events(&batch(&[cell])), Err(Unexpected::Row(0)), "{cell:?}");
        }
        let fewer = batch(&[]).project(&[0, 1]).expect("two columns");
        let number: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let other = RecordBatch::try_from_iter(COLUMNS.map(|name| (name, number.clone()))).expect("columns");
        for batch in [fewer, other] {
            assert_eq!(past_events(&batch), Err(Unexpected::Columns));
        }
    }
}
