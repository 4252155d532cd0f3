//! What the workers count, for Prometheus.
//!
//! | metric | labels |
//! |---|---|
//! | `cdp_ingest_events_total` | `partition`, `outcome`: accepted, quarantined, duplicate |
//! | `cdp_ingest_batch_seconds` (histogram) | |
//! | `cdp_drop_files_total` | `source`, `status`: as in the file's report |
//! | `cdp_commit_rows_total` | `table` |
//! | `cdp_landed_to_committed_seconds` (histogram) | `table` |

use std::time::Duration;

use cdp_app::{BatchReport, Committed};
use cdp_drops::FileReport;
use cdp_event::{PartitionId, Timestamp};
use cdp_ports::TableName;

pub fn batch(partition: &PartitionId, report: &BatchReport, took: Duration) {
    let counts = &report.counts;
    let outcomes =
        [("accepted", counts.accepted), ("quarantined", counts.quarantined), ("duplicate", counts.duplicates)];
    for (outcome, events) in outcomes {
        let partition = partition.as_str().to_owned();
        metrics::counter!("cdp_ingest_events_total", "partition" => partition, "outcome" => outcome).increment(events);
    }
    metrics::histogram!("cdp_ingest_batch_seconds").record(took);
}

pub fn file(source: &str, report: &FileReport) {
    let (source, status) = (source.to_owned(), report.status.as_str());
    metrics::counter!("cdp_drop_files_total", "source" => source, "status" => status).increment(1);
}

pub fn commit(table: TableName, committed: &Committed, now: Timestamp) {
    metrics::counter!("cdp_commit_rows_total", "table" => table.as_str()).increment(committed.rows);
    let waited_ms = now.as_ms().saturating_sub(committed.oldest_ms).max(0);
    metrics::histogram!("cdp_landed_to_committed_seconds", "table" => table.as_str()).record(waited_ms as f64 / 1000.0);
}
