//! The HTTP API of this machine: the producers' front, profiles, and administration.

use std::sync::Arc;

use axum::Router;
use cdp_api::profiles::{self, Profiles, WarehouseHistory};
use cdp_api::{Api, Metrics, Outside};

use cdp_ports::Clock;

use crate::admin;
use crate::log::LocalLog;
use crate::platform::{OpenError, Platform};
use adapter_machine::Machine;

pub struct Front {
    pub api: Arc<Api<LocalLog>>,
    pub router: Router,
}

impl Front {
    pub fn assemble(platform: &Arc<Platform>, metrics: Metrics) -> Result<Self, OpenError> {
        let config = &platform.deployment.config;
        let outside =
            Outside { stream: Arc::clone(&platform.log), clock: Arc::new(Machine), chance: Arc::new(Machine) };
        let api = Arc::new(Api::new(config.api(), outside, metrics)?);
        let clock: Arc<dyn Clock> = Arc::new(Machine);
        let profiles = Profiles::new(config.secrets.tokens(), Arc::clone(&platform.ingest.state), &clock)?
            .with_history(Arc::new(WarehouseHistory::new(Arc::clone(&platform.query))));
        let others = admin::routes(platform).merge(profiles::routes(Arc::new(profiles)));
        Ok(Self { router: cdp_api::router(&api, others), api })
    }
}

#[cfg(test)]
mod tests {
    use cdp_api::profiles::{History, Wanted};
    use cdp_app::{Committer, Lookup, ProfileName};
    use cdp_event::{PartitionId, Record, Sequence, Timestamp};
    use cdp_ports::TableName;

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
        let history = WarehouseHistory::new(Arc::clone(&platform.query));
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
        for nothing in [vec![], vec!["it's 1') or ('' = '"]] {
            assert_eq!(ids(Wanted { include: Some(nothing), ..all.clone() }).await, [""; 0]);
        }
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
