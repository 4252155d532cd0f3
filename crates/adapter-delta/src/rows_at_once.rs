//! How many rows of a file a reader takes at a time: their bytes have a bound, whatever the rows are like.

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::file::metadata::{ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData};
use parquet::file::page_index::offset_index::OffsetIndexMetaData;

/// Some thousand events, or some tens of refused records of a MiB.
const BYTES_AT_ONCE: u64 = 32 << 20;

/// With what [`rows_at_once`] wants to know of a file.
pub(crate) fn with_pages() -> ArrowReaderOptions {
    ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional)
}

/// One row, or so many that rows in succession have hardly more than [`BYTES_AT_ONCE`] in the wanted columns: the rest of a page
/// at most. Each row counts as one of its column's fullest page, since large rows may stand together among small ones.
pub(crate) fn rows_at_once(file: &ParquetMetaData, wanted: &ProjectionMask, at_most: usize) -> usize {
    let columns = 0..file.file_metadata().schema_descr().num_columns();
    let bytes: u64 = columns.filter(|column| wanted.leaf_included(*column)).map(|column| row_bytes(file, column)).sum();
    let rows = BYTES_AT_ONCE.checked_div(bytes).map_or(at_most, |rows| usize::try_from(rows).unwrap_or(at_most));
    rows.clamp(1, at_most)
}

fn row_bytes(file: &ParquetMetaData, column: usize) -> u64 {
    let groups = file.row_groups().iter().enumerate();
    let bytes = groups.map(|(at, group)| {
        let pages = file.offset_index().and_then(|groups| groups.get(at)?.get(column));
        let of_pages = pages.and_then(|pages| of_fullest_page(pages, group.num_rows()));
        of_pages.unwrap_or_else(|| of_chunk(group.column(column), group.num_rows()))
    });
    bytes.max().unwrap_or(0)
}

/// `None`: the values have one length, or the file's writer did not tell theirs.
fn of_fullest_page(pages: &OffsetIndexMetaData, rows: i64) -> Option<u64> {
    let bytes = pages.unencoded_byte_array_data_bytes()?;
    let begins = pages.page_locations().iter().map(|page| page.first_row_index);
    let ends = begins.clone().skip(1).chain([rows]);
    bytes.iter().zip(begins.zip(ends)).map(|(bytes, (begin, end))| mean(*bytes, end - begin)).max()
}

fn of_chunk(chunk: &ColumnChunkMetaData, rows: i64) -> u64 {
    mean(chunk.uncompressed_size(), rows)
}

fn mean(bytes: i64, rows: i64) -> u64 {
    bytes.max(0).unsigned_abs().div_ceil(rows.max(1).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, BinaryArray, RecordBatch};
    use bytes::Bytes;
    use cdp_lake::encode::encode;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    const AT_MOST: usize = 8 * 1024;
    /// As large as a page gets, with a row that does not fit into it any more.
    const PAGE_BYTES: u64 = 2 << 20;
    const SMALL: usize = 100;
    const LARGE: usize = 1 << 20;

    /// Rows of these sizes, in this order. Answers the batches' rows.
    fn check_batches(runs: &[(usize, usize)]) -> Vec<usize> {
        let largest = vec![b'x'; LARGE];
        let values: Vec<&[u8]> =
            runs.iter().flat_map(|(rows, bytes)| std::iter::repeat_n(&largest[..*bytes], *rows)).collect();
        let column: ArrayRef = Arc::new(BinaryArray::from_iter_values(values));
        let file = encode(&RecordBatch::try_from_iter([("bytes", column)]).expect("one column")).expect("sound rows");
        let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(Bytes::from(file.bytes), with_pages());
        let reader = reader.expect("Parquet");
        let rows = rows_at_once(reader.metadata(), &ProjectionMask::all(), AT_MOST);
        let batches = reader.with_batch_size(rows).build().expect("readable").map(|batch| batch.expect("readable"));
        let sizes = batches.map(|batch| {
            let bytes = batch.column(0).to_data().get_slice_memory_size().expect("a size") as u64;
            assert!(bytes <= BYTES_AT_ONCE + PAGE_BYTES, "{} rows of {bytes} bytes: {runs:?}", batch.num_rows());
            batch.num_rows()
        });
        sizes.collect()
    }

    #[test]
    fn usual_rows_are_read_by_their_number() {
        assert_eq!(check_batches(&[(2 * AT_MOST, SMALL)]), [AT_MOST; 2]);
    }

    #[test]
    fn large_rows_are_read_by_their_bytes() {
        assert_eq!(check_batches(&[(100, LARGE)]), [32, 32, 32, 4]);
    }

    #[test]
    fn large_rows_among_small_ones_are_too() {
        let batches = check_batches(&[(AT_MOST, SMALL), (100, LARGE), (AT_MOST, SMALL)]);
        assert_eq!(batches.iter().sum::<usize>(), 2 * AT_MOST + 100);
    }

    #[test]
    fn a_row_beyond_the_bound_is_read_alone() {
        let column: ArrayRef =
            Arc::new(BinaryArray::from_iter_values([vec![b'x'; BYTES_AT_ONCE as usize + 1], vec![]]));
        let file = encode(&RecordBatch::try_from_iter([("bytes", column)]).expect("one column")).expect("sound rows");
        let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(Bytes::from(file.bytes), with_pages());
        assert_eq!(rows_at_once(reader.expect("Parquet").metadata(), &ProjectionMask::all(), AT_MOST), 1);
    }
}
