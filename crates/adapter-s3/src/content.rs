//! Bytes that are asked for by range, as a content: in order, with the next part on its way; or at any place, in blocks.

use std::io::{self, Read};
use std::sync::Arc;

use cdp_drops::Content;
use tokio::runtime::Handle;

use crate::blocks::Blocks;
use crate::in_order::InOrder;
use crate::ranges::Ranges;

pub(crate) struct RangedContent<R> {
    ranges: Arc<R>,
    blocks: Blocks<R>,
    runtime: Handle,
}

impl<R: Ranges> RangedContent<R> {
    /// Inside of a runtime.
    pub fn new(ranges: Arc<R>) -> Self {
        let runtime = Handle::current();
        Self { blocks: Blocks::new(ranges.clone(), runtime.clone()), ranges, runtime }
    }
}

impl<R: Ranges> Content for RangedContent<R> {
    fn length(&self) -> u64 {
        self.ranges.length()
    }

    fn in_order(self: Arc<Self>) -> Box<dyn Read + Send> {
        Box::new(InOrder::new(self.ranges.clone(), self.runtime.clone()))
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.blocks.read_at(offset, into)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use arrow::array::{ArrayRef, RecordBatch, StringArray};
    use cdp_drops::{Batch, BatchLimits, DropSettings, Ending, OpenError, Rows};
    use cdp_ports::{FaultKind, PortError};
    use flate2::write::GzEncoder;
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;

    use super::*;
    use crate::ranges::memory::{Fate, Memory};

    const ROWS: usize = 60_000;

    fn csv() -> Vec<u8> {
        let lines: String = (0..ROWS).map(|n| format!("u{n},{}\n", n * 7919 % 1_000_003)).collect();
        format!("user_id,plan\n{lines}").into_bytes()
    }

    fn gzip() -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&csv()).expect("memory");
        encoder.finish().expect("memory")
    }

    fn parquet() -> Vec<u8> {
        let column = |name: &str| -> ArrayRef {
            Arc::new((0..ROWS).map(|n| Some(format!("{name}{}", n * 7919 % 1_000_003))).collect::<StringArray>())
        };
        let batch = RecordBatch::try_from_iter([("user_id", column("u")), ("plan", column("p"))]).expect("columns");
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(ROWS / 4)).build();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("a schema");
        writer.write(&batch).expect("memory");
        writer.into_inner().expect("memory")
    }

    /// How many rows there are; or the fault of the place that ended it.
    fn count(ranges: Memory) -> Result<u64, FaultKind> {
        let settings = DropSettings::default();
        let content = Arc::new(RangedContent::new(Arc::new(ranges)));
        let fault_of = |error: io::Error| error.downcast::<PortError>().map(|fault| fault.kind);
        let mut rows = match Rows::open(content, "a", "partner", &settings) {
            Ok(rows) => rows,
            Err(OpenError::Device(error)) => return Err(fault_of(error).expect("a fault of the port")),
            Err(OpenError::Unreadable { detail, .. }) => {
                panic!("a fault of the place is none of the content: {detail}")
            }
        };
        let mut batch = Batch::default();
        while rows.ending().is_none() {
            batch.clear();
            let outcome = rows.fill(&mut batch, BatchLimits::default(), None);
            outcome.map_err(|error| fault_of(error).expect("a fault of the port"))?;
        }
        assert_eq!(rows.ending(), Some(&Ending::Complete));
        Ok(rows.number())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn files_of_each_kind_are_read_through_faults_that_pass() {
        for (kind, bytes) in [("csv", csv()), ("gzip", gzip()), ("parquet", parquet())] {
            let fates = [Fate::BreaksAfter(1000), Fate::Answered].repeat(20);
            assert_eq!(count(Memory::new(bytes, fates)), Ok(ROWS as u64), "{kind}");
        }
    }

    /// A file is neither cut off nor refused because of a fault, wherever it strikes.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_fault_that_stays_is_told_as_what_it_is() {
        for (kind, bytes) in [("csv", csv()), ("gzip", gzip()), ("parquet", parquet())] {
            let mut struck = 0;
            for answered in 0.. {
                let fates = [vec![Fate::Answered; answered], vec![Fate::Fails(FaultKind::Stale)]].concat();
                match count(Memory::new(bytes.clone(), fates)) {
                    Err(fault) => assert_eq!(fault, FaultKind::Stale, "{kind} after {answered}"),
                    Ok(rows) => {
                        assert_eq!(rows, ROWS as u64);
                        break;
                    }
                }
                struck += 1;
            }
            assert!(struck >= 2, "{kind}: {struck} requests");
        }
    }
}
