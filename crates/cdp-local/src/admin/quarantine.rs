//! Replay of what was refused, chosen by reason, source and time.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use axum::Json;
use axum::extract::State;
use cdp_event::Timestamp;
use cdp_ports::Clock;
use futures::TryStreamExt;
use serde::Deserialize;
use serde_json::{Value, json};

use super::NotDone;
use crate::platform::Platform;
use crate::replay::{RefusedRow, Replay, Replayed};

/// Which rows: all that are absent choose all.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    reason: Option<String>,
    source: Option<String>,
    /// ISO 8601.
    since: Option<String>,
}

impl Choice {
    fn statement(&self) -> Result<String, NotDone> {
        let mut wanted = vec!["true".to_owned()];
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        wanted.extend(self.reason.as_deref().map(|reason| format!("reason = {}", quoted(reason))));
        wanted.extend(self.source.as_deref().map(|source| format!("source = {}", quoted(source))));
        if let Some(since) = &self.since {
            let since: Timestamp = since.parse().map_err(|error| NotDone::wrong(format!("since: {error}")))?;
            wanted.push(format!("received_at >= timestamp '{since}'"));
        }
        Ok(format!(
            "select partition, sequence, sub, source, received_at, bytes from quarantine where {}",
            wanted.join(" and ")
        ))
    }
}

pub async fn replay(State(platform): State<Arc<Platform>>, Json(choice): Json<Choice>) -> Result<Json<Value>, NotDone> {
    let (_, rows) = platform.query.stream(&choice.statement()?).await.map_err(NotDone::failed)?;
    let replay = Replay {
        state: &platform.ingest.state,
        stream: &*platform.log,
        webhooks: &platform.deployment.config.webhooks,
    };
    let mut total = Replayed::default();
    let mut rows = std::pin::pin!(rows);
    while let Some(batch) = rows.try_next().await.map_err(NotDone::failed)? {
        let refused =
            refused_rows(&batch).ok_or_else(|| NotDone::failed("the table has other columns than expected"))?;
        let some = replay.replay(&refused, platform.ingest.clock.now()).await.map_err(NotDone::failed)?;
        total.replayed += some.replayed;
        total.passed_over += some.passed_over;
    }
    Ok(Json(json!({ "replayed": total.replayed, "passed_over": total.passed_over })))
}

fn refused_rows(batch: &RecordBatch) -> Option<Vec<RefusedRow>> {
    let [partition, sequence, sub, source, received_at, bytes] = batch.columns() else { return None };
    let (partition, sequence) = (partition.as_string_opt::<i32>()?, sequence.as_string_opt::<i32>()?);
    let (sub, source) = (sub.as_primitive_opt::<Int32Type>()?, source.as_string_opt::<i32>()?);
    let received_at = received_at.as_primitive_opt::<TimestampMicrosecondType>()?;
    let bytes = bytes.as_binary_opt::<i32>()?;
    let row = |at: usize| RefusedRow {
        partition: partition.value(at).to_owned(),
        sequence: sequence.value(at).to_owned(),
        sub: i64::from(sub.value(at)),
        source: source.value(at).to_owned(),
        received_at: Timestamp::from_ms(received_at.value(at) / 1000),
        bytes: bytes::Bytes::copy_from_slice(bytes.value(at)),
    };
    Some((0..partition.len()).map(row).collect())
}
