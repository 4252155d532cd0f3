//! What is asked for, and how that is written: as JSON, in a queue, in a request and in State.

use cdp_event::Timestamp;
use cdp_ports::TableName;
use serde::{Deserialize, Serialize};

use super::ReplayError;

/// Whose rows go again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// What the deployment itself has refused.
    Quarantine { reason: Option<String> },
    /// What the deployment of another lake has accepted. `lake`: its folder, or `s3://BUCKET/PREFIX`.
    Events { lake: String },
}

/// Which rows: all that are absent choose all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    pub source: Option<String>,
    /// Received then or later.
    pub since: Option<Timestamp>,
    /// Received before.
    pub until: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayJob {
    /// Under which its progress is kept.
    pub id: String,
    pub what: What,
    pub source: Option<String>,
    pub since: Option<Timestamp>,
    /// Rows that were received later are not the job's: without an end it would meet what it has sent itself.
    pub until: Timestamp,
    pub asked_by: String,
    pub asked_at: Timestamp,
}

/// Why a text is no job, with the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no replay job: {0}")]
pub struct NotAJob(String);

impl ReplayJob {
    /// Refused rows. `draw`: by chance, so that no two jobs are one.
    pub fn of_quarantine(
        reason: Option<String>,
        choice: Choice,
        asked_by: impl Into<String>,
        now: Timestamp,
        draw: u64,
    ) -> Self {
        let id = format!("quarantine-{:013}-{draw:016x}", now.as_ms().max(0));
        Self::of(id, What::Quarantine { reason }, choice, asked_by.into(), now)
    }

    /// Another lake's events. The same lake and choice are the same job, so whoever asks again goes on with it.
    pub fn of_events(lake: impl Into<String>, choice: Choice, asked_by: impl Into<String>, now: Timestamp) -> Self {
        let lake = lake.into();
        let moment = |moment: Option<Timestamp>| moment.map_or_else(String::new, |moment| moment.to_string());
        let source = choice.source.as_deref().unwrap_or_default();
        let chosen = [lake.as_str(), source, &moment(choice.since), &moment(choice.until)].join("\n");
        let id = format!("events-{:032x}", xxhash_rust::xxh3::xxh3_128(chosen.as_bytes()));
        Self::of(id, What::Events { lake }, choice, asked_by.into(), now)
    }

    fn of(id: String, what: What, choice: Choice, asked_by: String, now: Timestamp) -> Self {
        let Choice { source, since, until } = choice;
        Self { id, what, source, since, until: until.unwrap_or(now), asked_by, asked_at: now }
    }

    pub fn table(&self) -> TableName {
        match self.what {
            What::Quarantine { .. } => TableName::Quarantine,
            What::Events { .. } => TableName::Events,
        }
    }

    /// The lake that the job reads, where `own` is the deployment's.
    pub fn lake<'j>(&'j self, own: &'j str) -> Result<&'j str, ReplayError> {
        match &self.what {
            What::Quarantine { .. } => Ok(own),
            What::Events { lake } if lake.trim_end_matches('/') == own.trim_end_matches('/') => {
                Err(ReplayError::OwnLake(lake.clone()))
            }
            What::Events { lake } => Ok(lake),
        }
    }

    /// But for its end: the one of the first call stands.
    pub(super) fn has_same_rows(&self, other: &Self) -> bool {
        (&self.what, &self.source, self.since) == (&other.what, &other.source, other.since)
    }

    pub fn to_json(&self) -> String {
        // Text and options of text: nothing that JSON can't say.
        serde_json::to_string(&Wire::from(self)).unwrap_or_default()
    }

    pub fn parse(json: &str) -> Result<Self, NotAJob> {
        let wire: Wire = serde_json::from_str(json).map_err(|error| NotAJob(error.to_string()))?;
        wire.read()
    }
}

/// The job as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    id: String,
    table: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lake: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// ISO 8601, as all moments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    asked_by: String,
    asked_at: String,
}

impl From<&ReplayJob> for Wire {
    fn from(job: &ReplayJob) -> Self {
        let (lake, reason) = match &job.what {
            What::Quarantine { reason } => (None, reason.clone()),
            What::Events { lake } => (Some(lake.clone()), None),
        };
        Self {
            id: job.id.clone(),
            table: job.table().to_string(),
            lake,
            reason,
            source: job.source.clone(),
            since: job.since.map(|since| since.to_string()),
            until: Some(job.until.to_string()),
            asked_by: job.asked_by.clone(),
            asked_at: job.asked_at.to_string(),
        }
    }
}

/// A key of State holds twice as much.
const MAX_ID_BYTES: usize = 500;

impl Wire {
    fn read(self) -> Result<ReplayJob, NotAJob> {
        let no = |why: &str| Err(NotAJob(why.to_owned()));
        let what = match (self.table.parse(), self.lake, self.reason) {
            (Ok(TableName::Quarantine), None, reason) => What::Quarantine { reason },
            (Ok(TableName::Quarantine), Some(_), _) => {
                return no("what was refused is replayed where it was refused; leave `lake` out");
            }
            (Ok(TableName::Events), Some(lake), None) => What::Events { lake },
            (Ok(TableName::Events), None, _) => {
                return no("events are those of another deployment; name its lake in `lake`");
            }
            (Ok(TableName::Events), Some(_), Some(_)) => {
                return no("events have no `reason`; leave it out");
            }
            (Ok(TableName::Identity | TableName::Profiles) | Err(_), _, _) => {
                return no("`table` is `quarantine` or `events`");
            }
        };
        if !(1..=MAX_ID_BYTES).contains(&self.id.len()) || self.id.contains('\0') {
            return no("`id` has 1 to 500 bytes and no NUL");
        }
        let asked_at = moment("asked_at", &self.asked_at)?;
        Ok(ReplayJob {
            id: self.id,
            what,
            source: self.source,
            since: self.since.as_deref().map(|since| moment("since", since)).transpose()?,
            until: self.until.as_deref().map_or(Ok(asked_at), |until| moment("until", until))?,
            asked_by: self.asked_by,
            asked_at,
        })
    }
}

fn moment(field: &str, text: &str) -> Result<Timestamp, NotAJob> {
    text.parse().map_err(|error| NotAJob(format!("`{field}`: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

    #[test]
    fn a_job_is_read_as_it_was_written() {
        let all = Choice {
            source: Some("web".into()),
            since: Some(Timestamp::from_ms(5)),
            until: Some(Timestamp::from_ms(9)),
        };
        for choice in [Choice::default(), all] {
            let reason = choice.source.clone().map(|_| "not_json".to_owned());
            let job = ReplayJob::of_quarantine(reason, choice.clone(), "jane", NOW, 7);
            assert_eq!(ReplayJob::parse(&job.to_json()), Ok(job));
            let job = ReplayJob::of_events("s3://old/lake", choice, "jane", NOW);
            assert_eq!(ReplayJob::parse(&job.to_json()), Ok(job));
        }
    }

    #[test]
    fn what_is_no_job_is_told_why() {
        let asked = r#""asked_by":"jane","asked_at":"2026-01-31T09:30:00.000Z""#;
        for (fields, why) in [
            (r#""table":"profiles","id":"a""#, "`table` is `quarantine` or `events`"),
            (r#""table":"events","id":"a""#, "name its lake"),
            (r#""table":"events","id":"a","lake":"s3://b","reason":"not_json""#, "no `reason`"),
            (r#""table":"quarantine","id":"a","lake":"s3://b""#, "leave `lake` out"),
            (r#""table":"quarantine","id":"""#, "`id` has 1 to 500 bytes"),
            (r#""table":"quarantine","id":"a","since":"yesterday""#, "`since`: not a time"),
            (r#""table":"quarantine","id":"a","sinse":"yesterday""#, "unknown field `sinse`"),
            (r#""table":"quarantine""#, "missing field `id`"),
        ] {
            let refused = ReplayJob::parse(&format!("{{{fields},{asked}}}")).expect_err(fields).to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn the_same_events_are_the_same_job_whoever_asks_when() {
        let job = |lake: &str, since, now| {
            let choice = Choice { since, ..Choice::default() };
            ReplayJob::of_events(lake, choice, "jane", Timestamp::from_ms(now)).id
        };
        assert_eq!(job("a", None, 1), job("a", None, 2));
        assert_ne!(job("a", None, 1), job("b", None, 1));
        assert_ne!(job("a", None, 1), job("a", Some(NOW), 1));
    }

    #[test]
    fn events_of_the_own_lake_are_refused() {
        let of = |lake: &str| ReplayJob::of_events(lake, Choice::default(), "jane", NOW);
        assert_eq!(of("s3://old").lake("s3://own").ok(), Some("s3://old"));
        for own in ["s3://own", "s3://own/"] {
            let refused = of("s3://own").lake(own).map(str::to_owned).expect_err("its own").to_string();
            assert!(refused.contains("counted twice"), "{refused}");
        }
        let quarantine = ReplayJob::of_quarantine(None, Choice::default(), "jane", NOW, 7);
        assert_eq!(quarantine.lake("s3://own").ok(), Some("s3://own"));
    }
}
