//! Events of a person, from the tables by SQL.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, AsArray, StringArray};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::record_batch::RecordBatch;
use cdp_api::profiles::{Asked, History, PastEvent, RecentEvent, Wanted};
use cdp_event::Timestamp;
use cdp_ports::{FaultKind, PortError, PortResult};
use tokio::sync::Semaphore;

use crate::platform::Platform;

const ACTION: &str = "ask the tables for a person's events";
/// Each question reads columns of many files: more at once would only make each slower, and ingest too.
const AT_ONCE: usize = 2;
const WAITS: Duration = Duration::from_secs(2);
/// An event's time is at most an hour after its arrival, so what happened later than `start` did not arrive much earlier.
const AHEAD_MS: i64 = 3_600_000;

pub struct SqlHistory {
    platform: Arc<Platform>,
    turns: Semaphore,
}

impl SqlHistory {
    pub fn new(platform: Arc<Platform>) -> Self {
        Self { platform, turns: Semaphore::new(AT_ONCE) }
    }

    async fn ask(&self, wanted: &Wanted<'_>) -> PortResult<Vec<PastEvent>> {
        let busy = || PortError { retry_after: Some(WAITS), ..PortError::new(FaultKind::Busy, ACTION) };
        let turn = tokio::time::timeout(WAITS, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Err(busy()) };
        let rows = self.platform.query.sql(&statement(wanted)).await;
        let (_, batches) = rows.map_err(|error| PortError::because(FaultKind::Broken, ACTION, error))?;
        let events: Option<Vec<Vec<PastEvent>>> = batches.iter().map(events).collect();
        let unexpected = "the answer has other columns than were asked for";
        Ok(events
            .ok_or_else(|| PortError::because(FaultKind::Broken, ACTION, unexpected))?
            .into_iter()
            .flatten()
            .collect())
    }
}

impl History for SqlHistory {
    fn events<'a>(&'a self, wanted: &'a Wanted<'a>) -> Asked<'a> {
        Box::pin(self.ask(wanted))
    }
}

fn statement(wanted: &Wanted<'_>) -> String {
    let in_range = |moment: Timestamp| moment.clamp(Timestamp::EARLIEST, Timestamp::LATEST);
    let start = in_range(wanted.start);
    let mut all = vec![
        format!("profile_id in ({})", listed(wanted.profiles.iter().map(ToString::to_string))),
        format!("date >= date '{}'", in_range(start.plus_ms(-AHEAD_MS)).date()),
        format!("timestamp >= timestamp '{start}'"),
    ];
    all.extend(wanted.end.map(|end| format!("timestamp < timestamp '{}'", in_range(end))));
    let called = "coalesce(event, name, type)";
    all.extend(wanted.include.as_ref().map(|names| match names[..] {
        [] => "false".to_owned(),
        _ => format!("{called} in ({})", listed(names.iter().copied())),
    }));
    if !wanted.exclude.is_empty() {
        all.push(format!("{called} not in ({})", listed(wanted.exclude.iter().copied())));
    }
    let (beyond, order) = if wanted.newest_first { ('<', "desc") } else { ('>', "asc") };
    all.extend(wanted.from.as_ref().map(|(timestamp, message_id)| {
        let (at, id) = (in_range(*timestamp), quoted(message_id));
        format!("(timestamp {beyond} timestamp '{at}' or timestamp = timestamp '{at}' and message_id {beyond}= {id})")
    }));
    format!(
        "select timestamp, message_id, type, coalesce(event, name) as name, source, properties, user_id, anonymous_id, \
         context from events where {} order by timestamp {order}, message_id {order} limit {}",
        all.join(" and "),
        wanted.limit
    )
}

fn listed(texts: impl Iterator<Item = impl AsRef<str>>) -> String {
    texts.map(|text| quoted(text.as_ref())).collect::<Vec<_>>().join(", ")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn events(batch: &RecordBatch) -> Option<Vec<PastEvent>> {
    let timestamps = batch.columns().first()?.as_primitive_opt::<TimestampMicrosecondType>()?;
    let texts: Option<Vec<&StringArray>> =
        batch.columns().iter().skip(1).map(|column| column.as_string_opt()).collect();
    let [message_id, kind, name, source, properties, user_id, anonymous_id, context] = texts?[..] else { return None };
    let some = |column: &StringArray, row: usize| column.is_valid(row).then(|| column.value(row).to_owned());
    let event = |row: usize| {
        let event = RecentEvent {
            timestamp: Timestamp::from_ms(timestamps.value(row).div_euclid(1000)),
            message_id: some(message_id, row)?.into(),
            kind: kind.value(row).parse().ok()?,
            name: some(name, row).map(Into::into),
            source: some(source, row)?.into(),
            properties: some(properties, row).map(Into::into),
        };
        let (user_id, anonymous_id) = (some(user_id, row), some(anonymous_id, row));
        Some(PastEvent { event, user_id, anonymous_id, context: some(context, row) })
    };
    (0..batch.num_rows()).map(event).collect()
}

#[cfg(test)]
mod tests {
    use cdp_app::{Committer, Lookup, ProfileName};
    use cdp_event::{PartitionId, Record, Sequence};
    use cdp_ports::{Clock, TableName};

    use super::*;
    use crate::Deployment;
    use crate::deployment::init;
    use crate::platform::COMMAND_BYTES;

    const DAY_MS: i64 = 86_400_000;

    /// Jane did `m00` to `m19`, two each second day until yesterday, the first of them on a device that was joined later. The
    /// moment is now.
    async fn platform(dir: &std::path::Path) -> (Arc<Platform>, Timestamp) {
        init(dir).expect("an empty folder");
        let platform =
            Arc::new(Platform::open(Deployment::open(dir).expect("sound"), COMMAND_BYTES).expect("it opens"));
        let now = platform.ingest.clock.now();
        let event = |n: i64| {
            let (id, at) = (if n < 5 { "anonymousId" } else { "userId" }, now.plus_ms((n / 2 * 2 - 19) * DAY_MS));
            format!(
                r#"{{"type":"track","messageId":"m{n:02}","event":"it's {}","{id}":"jane","timestamp":"{at}","context":{{"n":{n}}}}}"#,
                n % 2
            )
        };
        let joined = format!(
            r#"{{"type":"identify","messageId":"i","userId":"jane","anonymousId":"jane","timestamp":"{now}"}}"#
        );
        let others = r#"{"type":"page","messageId":"p","name":"Home","userId":"joe"}"#.to_owned();
        let records = (0..20).map(event).chain([joined, others]).zip(0u64..).map(|(data, at)| Record {
            sequence: Sequence::from(at),
            arrived_at: now,
            partition_key: "k".into(),
            data: data.into(),
        });
        let mut worker = platform.ingest.open(PartitionId::new("test")).await.expect("opened");
        worker.take_records(&records.collect::<Vec<_>>(), "web").await.expect("taken in");
        let committer =
            Committer { state: &platform.ingest.state, lake: &platform.ingest.lake, table: TableName::Events };
        committer.drain().await.expect("committed");
        (platform, now)
    }

    #[tokio::test]
    async fn a_persons_events_are_found_filtered_and_paged() {
        let dir = tempfile::tempdir().expect("a folder");
        let (platform, now) = platform(dir.path()).await;
        let jane = ProfileName::parse("user_id:jane").expect("a name");
        let found = Lookup { state: &platform.ingest.state }.find(&jane).await.expect("read").expect("she is there");
        assert_eq!(found.set.members().len(), 2);
        let history = SqlHistory::new(platform);
        let all = Wanted {
            profiles: found.set.members().to_vec(),
            include: None,
            exclude: vec![],
            start: Timestamp::EARLIEST,
            end: None,
            newest_first: false,
            from: None,
            limit: 100,
        };
        let ids = async |wanted: Wanted<'_>| -> Vec<String> {
            history
                .events(&wanted)
                .await
                .expect("asked")
                .into_iter()
                .map(|past| past.event.message_id.to_string())
                .collect()
        };
        let tracked: Vec<String> = (0..20).map(|n| format!("m{n:02}")).collect();
        assert_eq!(ids(Wanted { exclude: vec!["identify"], ..all.clone() }).await, tracked);
        let newest = ids(Wanted { newest_first: true, limit: 3, ..all.clone() }).await;
        assert_eq!(newest, ["i", "m19", "m18"]);
        assert_eq!(
            ids(Wanted { include: Some(vec!["it's 1", "identify"]), limit: 3, ..all.clone() }).await,
            ["m01", "m03", "m05"]
        );
        assert_eq!(ids(Wanted { include: Some(vec![]), ..all.clone() }).await, [""; 0]);
        let (start, end) = (now.plus_ms(-14 * DAY_MS), Some(now.plus_ms(-10 * DAY_MS)));
        assert_eq!(ids(Wanted { start, end, ..all.clone() }).await, tracked[6..10]);
        let from = Some((now.plus_ms(-11 * DAY_MS), "m08".to_owned()));
        assert_eq!(ids(Wanted { from: from.clone(), limit: 2, ..all.clone() }).await, ["m08", "m09"]);
        assert_eq!(ids(Wanted { from, newest_first: true, limit: 2, ..all.clone() }).await, ["m08", "m07"]);

        let first = history.events(&all).await.expect("asked").swap_remove(0);
        assert_eq!(
            (first.event.name.as_deref(), first.user_id, first.anonymous_id.as_deref()),
            (Some("it's 0"), None, Some("jane"))
        );
        assert_eq!((&*first.event.source, first.context.as_deref()), ("web", Some(r#"{"n":0}"#)));
    }
}
