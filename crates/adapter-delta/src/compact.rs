//! Compaction: the same rows in fewer files, read and written batch by batch while others go on committing.

use std::collections::BTreeMap;
use std::fs::File;

use cdp_lake::encode::widen;
use cdp_ports::Compaction;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use uuid::Uuid;

use crate::DeltaError;
use crate::actions::ActiveFile;
use crate::land::NewDataFile;
use crate::rows_at_once::{rows_at_once, with_pages};
use crate::table::Table;

/// A date that still grows is rewritten when so many files are of one size class: each row is then rewritten a few
/// times in all, whatever the number of commits.
const FILES_OF_A_CLASS: usize = 8;
/// Fewer where rows are large.
const ROWS_AT_ONCE: usize = 8 * 1024;

/// The small files of one date as one larger file, at most.
pub(crate) fn compact(table: &Table, target_bytes: u64) -> Result<Option<Compaction>, DeltaError> {
    let newest = table.newest()?;
    let Some(chosen) = choose(&newest.files, target_bytes) else { return Ok(None) };
    let date = chosen.first().map(|file| file.date.as_str()).unwrap_or_default();
    let name = format!("compacted-{}", Uuid::new_v4().simple());

    let mut merged = NewDataFile::begin(table.place(), date, &name, newest.columns.clone())?;
    for file in &chosen {
        for rows in rows_of(table.place().read(&file.path)?)? {
            merged.write(&widen(&rows?, &newest.columns)?)?;
        }
    }
    let merged = merged.finish()?;

    let done = Compaction { files_removed: chosen.len() as u64, files_added: 1, rows: merged.rows };
    table.log()?.rewrite(&chosen, &[merged])?;
    Ok(Some(done))
}

fn rows_of(file: File) -> Result<ParquetRecordBatchReader, DeltaError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, with_pages())?;
    let rows = rows_at_once(reader.metadata(), &ProjectionMask::all(), ROWS_AT_ONCE);
    Ok(reader.with_batch_size(rows).build()?)
}

/// Files of one date that are worth a rewrite, together no larger than the target. In the newest date, those of the
/// fullest class of sizes; in a date that has ended, all that are small.
fn choose(files: &[ActiveFile], target_bytes: u64) -> Option<Vec<ActiveFile>> {
    let newest = files.iter().map(|file| &file.date).max()?;
    let mut groups: BTreeMap<(&str, u32), Vec<&ActiveFile>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.bytes < target_bytes / 2) {
        let class = if file.date == *newest { class(file.bytes) } else { 0 };
        groups.entry((&file.date, class)).or_default().push(file);
    }
    groups.into_iter().find_map(|((date, _), mut files)| {
        files.sort_by_key(|file| file.bytes);
        let mut bytes = 0;
        let fits = |file: &&ActiveFile| {
            bytes += file.bytes;
            bytes <= target_bytes
        };
        let chosen: Vec<ActiveFile> = files.into_iter().take_while(fits).cloned().collect();
        let enough = if date == newest { FILES_OF_A_CLASS } else { 2 };
        (chosen.len() >= enough).then_some(chosen)
    })
}

/// Below 1 MiB, below 8, below 64, and so on.
fn class(bytes: u64) -> u32 {
    (bytes >> 20).checked_ilog2().map_or(0, |log| 1 + log / 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(date: &str, bytes: u64) -> ActiveFile {
        ActiveFile { path: format!("{date}/{bytes}"), date: date.to_owned(), bytes, rows: 1, stats: String::new() }
    }

    /// `files`: date and size. Answers how many are chosen of which date.
    fn check_choice(files: &[(&str, u64)], expected: Option<(&str, usize)>) {
        let files: Vec<ActiveFile> = files.iter().map(|(date, bytes)| file(date, *bytes)).collect();
        let chosen = choose(&files, 128 << 20);
        let chosen = chosen.as_ref().and_then(|files| Some((files.first()?.date.as_str(), files.len())));
        assert_eq!(chosen, expected, "{files:?}");
    }

    #[test]
    fn a_growing_date_waits_for_eight_files_of_a_size() {
        check_choice(&[], None);
        check_choice(&[("2026-01-02", 1000); 7], None);
        check_choice(&[("2026-01-02", 1000); 8], Some(("2026-01-02", 8)));
    }

    #[test]
    fn a_large_file_is_not_rewritten_for_seven_small_ones() {
        let mut files = vec![("2026-01-02", 1000); 7];
        files.push(("2026-01-02", 30 << 20));
        check_choice(&files, None);
    }

    #[test]
    fn a_date_that_ended_becomes_few_files() {
        let newest = ("2026-01-02", 1000);
        check_choice(&[newest, ("2026-01-01", 1000), ("2026-01-01", 30 << 20)], Some(("2026-01-01", 2)));
        check_choice(&[newest, ("2026-01-01", 1000), ("2026-01-01", 100 << 20)], None);
    }

    #[test]
    fn together_they_are_no_larger_than_the_target() {
        check_choice(&[("2026-01-02", 15 << 20); 20], Some(("2026-01-02", 8)));
    }
}
