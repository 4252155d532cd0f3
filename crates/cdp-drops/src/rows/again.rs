//! A refused row, read again without its file, by the settings that its source has now.

use std::io::Cursor;

use bytes::Bytes;
use cdp_app::{Again, OfFile, RefusedRow, Remapped};
use cdp_event::{FileRow, RawEvent, validate};
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
///
/// What would be refused as an event stays a row of its file: it is the row that another mapping may mend.
pub fn again(settings: &DropSettings, row: &RefusedRow<'_>, of_file: OfFile<'_>) -> Again {
    events(settings, row, of_file).map_or(Again::OnlyWithItsFile, Again::Mapped)
}

fn events(settings: &DropSettings, refused: &RefusedRow<'_>, of_file: OfFile<'_>) -> Option<Vec<Remapped>> {
    let RefusedRow { source, received_at, bytes, .. } = *refused;
    let OfFile { number, event, row } = of_file;
    let mut batch = Batch::default();
    match Format::of_name(&row.format)? {
        Format::Csv => read_line(settings, source, row, number, bytes, &mut batch)?,
        Format::JsonLines | Format::JsonArray => {
            serde_json::from_slice::<&RawValue>(bytes).ok()?;
            JsonShape::new(source, settings.mapping.as_ref()).emit(number, bytes, &mut batch);
        }
        Format::Parquet => JsonShape::of_columns(source, settings.mapping.as_ref()).emit(number, bytes, &mut batch),
    }
    let is_sound = |event: &RawEvent<'_>| validate(event).is_ok();
    let again = |event: RawEvent<'_>| Remapped { bytes: Bytes::copy_from_slice(event.bytes), refused: None };
    let decoded = batch.decoded(source, received_at).into_iter();
    let mut events: Vec<_> = decoded.map(|one| one.event.ok().filter(is_sound).map(again)).collect();
    match row.events {
        0 => events.into_iter().collect(),
        // By another mapping that makes more events of a row, or fewer, nobody knows which one was refused.
        count if events.len() == count as usize => events.get_mut(event as usize)?.take().map(|event| vec![event]),
        _ => None,
    }
}

/// `None`: it is not one row.
fn read_line(
    settings: &DropSettings,
    source: &str,
    row: &FileRow,
    number: u64,
    bytes: &[u8],
    batch: &mut Batch,
) -> Option<()> {
    let columns = settings.csv.columns.clone().unwrap_or_else(|| row.columns.clone());
    let delimiter = row.delimiter.parse().ok()?;
    let csv = CsvSettings { delimiter: Some(delimiter), columns: Some(columns), header: Some(false) };
    let settings = DropSettings { csv, ..settings.clone() };
    // With its end: else another character in it could be taken for that.
    let line = Cursor::new([bytes, b"\n"].concat());
    let text = Text::new(Box::new(line), Assumed::Encoding(encoding_rs::UTF_8));
    let mut rows = CsvRows::open(Window::new(text), source, &settings).ok()?;
    let Step::Row = rows.advance().ok()? else { return None };
    rows.emit(number, batch);
    matches!(rows.advance().ok()?, Step::End).then_some(())
}
