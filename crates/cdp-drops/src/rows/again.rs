//! A refused row, read again without its file, by the settings that its source has now.

use std::io::Cursor;

use bytes::Bytes;
use cdp_app::{Again, OfFile, Remapped};
use cdp_event::Timestamp;
use serde_json::value::RawValue;

use super::csv::CsvRows;
use super::json::JsonShape;
use super::{ReadRows, Step};
use crate::batch::Batch;
use crate::format::Format;
use crate::settings::{CsvSettings, DropSettings};
use crate::text::{Assumed, Text};
use crate::window::Window;

/// The events that its mapping makes of it now, with the message ids that they have in the file. Where one of its events was
/// refused, and the others were not, that one alone.
pub fn again(settings: &DropSettings, source: &str, of_file: OfFile<'_>, bytes: &[u8]) -> Again {
    events(settings, source, of_file, bytes).map_or(Again::OnlyWithItsFile, Again::Mapped)
}

fn events(settings: &DropSettings, source: &str, of_file: OfFile<'_>, bytes: &[u8]) -> Option<Vec<Remapped>> {
    let OfFile { number, event, row } = of_file;
    let mut batch = Batch::default();
    match Format::of_name(&row.format)? {
        Format::Csv => {
            let columns = settings.csv.columns.clone().unwrap_or_else(|| row.columns.clone());
            let delimiter = row.delimiter.parse().ok()?;
            let csv = CsvSettings { delimiter: Some(delimiter), columns: Some(columns), header: Some(false) };
            let settings = DropSettings { csv, ..settings.clone() };
            let text = Text::new(Box::new(Cursor::new(bytes.to_vec())), Assumed::Encoding(encoding_rs::UTF_8));
            let mut rows = CsvRows::open(Window::new(text), source, &settings).ok()?;
            match rows.advance().ok()? {
                Step::Row => rows.emit(number, &mut batch),
                Step::End | Step::CutOff { .. } => return None,
            }
        }
        Format::JsonLines | Format::JsonArray => {
            serde_json::from_slice::<&RawValue>(bytes).ok()?;
            JsonShape::new(source, settings.mapping.as_ref()).emit(number, bytes, &mut batch);
        }
        Format::Parquet => JsonShape::of_columns(source, settings.mapping.as_ref()).emit(number, bytes, &mut batch),
    }
    let event_of = |bytes: &[u8]| Remapped { bytes: Bytes::copy_from_slice(bytes), refused: None };
    let events =
        batch.decoded(source, Timestamp::default()).into_iter().map(|one| Some(event_of(one.event.ok()?.bytes)));
    let events: Vec<Remapped> = events.collect::<Option<_>>()?;
    match row.events {
        0 => Some(events),
        // By another mapping that makes more events of a row, or fewer, nobody knows which one was refused.
        count if events.len() == count as usize => events.into_iter().nth(event as usize).map(|event| vec![event]),
        _ => None,
    }
}
