//! Events: those of the tables, and the newest ones, which profiles keep and the tables may not have yet.
//!
//! Segment shows 14 days; here that is where a list begins unless it is told another `start`. A list has no `etag`: what it
//! shows changes when events reach the tables, and then the profile does not.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State as Shared};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use cdp_app::Found;
use cdp_event::{EventKind, NotATime, Timestamp};
use cdp_ports::State;
use cdp_profile::RecentEvent;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::cursor::{Cursor, bad_next, open, page, seal};
use super::{Asked, AskedPath, listed};
use crate::profiles::freshness::KEPT;
use crate::profiles::parameters::{AskedQuery, limit, word};
use crate::profiles::refusal::Refusal;
use crate::profiles::view::{Json, Moment};
use crate::profiles::{PastEvent, Profiles, Wanted};

const USUAL: usize = 10;
const MOST: usize = 100;
const USUAL_DAYS_MS: i64 = 14 * 86_400_000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// 10 unless it is given, at most 100.
    #[param(value_type = Option<usize>)]
    limit: Option<String>,
    /// Names of events, with commas between.
    include: Option<String>,
    exclude: Option<String>,
    /// Events at this time or later, in ISO 8601; 14 days ago unless it is given.
    start: Option<String>,
    /// Events before this time, in ISO 8601.
    end: Option<String>,
    #[param(value_type = Option<Sort>)]
    sort: Option<String>,
    next: Option<String>,
}

#[derive(Clone, Copy, ToSchema)]
#[schema(rename_all = "snake_case")]
#[schema(as = SegmentSort)]
pub(super) enum Sort {
    Asc,
    Desc,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SegmentEvents)]
pub(super) struct EventsPage<'a> {
    data: Vec<EventView<'a>>,
    cursor: Cursor,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SegmentEvent)]
struct EventView<'a> {
    /// The event's own ids. Empty until the event is in the tables, some seconds after it came.
    external_ids: Vec<EventIdView<'a>>,
    /// Empty until then, too.
    #[schema(value_type = Object)]
    context: Json<'a>,
    #[serde(rename = "type")]
    kind: &'static str,
    message_id: &'a str,
    source_id: &'a str,
    timestamp: Moment,
    properties: Json<'a>,
    /// Of a track event.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    /// Of a page or screen.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    related: Related,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SegmentEventId)]
struct EventIdView<'a> {
    collection: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    encoding: &'static str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SegmentRelated)]
struct Related {
    /// The canonical profile.
    users: String,
}

/// Events of a person, as Segment shows them
#[utoipa::path(
    get,
    path = "/v1/spaces/{space}/collections/{collection}/profiles/{name}/events",
    operation_id = "getSegmentEvents",
    tag = "segment profile api",
    params(Asked, EventsQuery),
    responses((status = 200, description = "A page of events", body = EventsPage)),
    security(("basic" = []), ("bearer" = ["profiles:read"])),
)]
pub(super) async fn events<S: State + 'static>(
    Shared(profiles): Shared<Arc<Profiles<S>>>,
    asked: AskedPath,
    query: AskedQuery<EventsQuery>,
) -> Result<Response, Refusal> {
    let (Path(asked), Query(query)) = (asked?, query?);
    let limit = limit(query.limit.as_deref(), USUAL, MOST)?;
    let mut wanted = wanted(&query, limit, profiles.clock.now())?;
    let found = asked.find(&profiles).await?;
    wanted.profiles = found.set.members().to_vec();
    let past = match &profiles.history {
        Some(history) => history.events(&wanted).await?,
        None => vec![],
    };
    let page = page_of(&asked, &wanted, &found, &past, limit);
    Ok(([(header::CACHE_CONTROL, KEPT)], axum::Json(page)).into_response())
}

/// One more than are shown: it begins the next page.
fn wanted(query: &EventsQuery, limit: usize, now: Timestamp) -> Result<Wanted<'_>, Refusal> {
    let sort = word("sort", query.sort.as_deref(), &[("asc", Sort::Asc), ("desc", Sort::Desc)])?;
    let start = query.start.as_deref().map(|text| moment("start", text)).transpose()?;
    Ok(Wanted {
        profiles: vec![],
        include: listed(query.include.as_deref()),
        exclude: listed(query.exclude.as_deref()).unwrap_or_default(),
        start: start.unwrap_or(now.plus_ms(-USUAL_DAYS_MS)),
        end: query.end.as_deref().map(|text| moment("end", text)).transpose()?,
        newest_first: matches!(sort, Some(Sort::Desc) | None),
        from: query.next.as_deref().filter(|next| !next.is_empty()).map(place).transpose()?,
        limit: limit + 1,
    })
}

/// By its place in the list, an event, and what the tables tell of it.
type Known<'a> = BTreeMap<(Timestamp, &'a str), (&'a RecentEvent, Option<&'a PastEvent>)>;

fn page_of<'a>(
    asked: &Asked,
    wanted: &Wanted<'_>,
    found: &'a Found,
    past: &'a [PastEvent],
    limit: usize,
) -> EventsPage<'a> {
    let place = |event: &'a RecentEvent| (event.timestamp, &*event.message_id);
    let recent = found.person.recent.iter().filter(|event| wanted.has(event));
    let mut known: Known<'a> = recent.map(|event| (place(event), (event, None))).collect();
    known.extend(past.iter().map(|past| (place(&past.event), (&past.event, Some(past)))));
    let (some, next) =
        if wanted.newest_first { page(known.into_values().rev(), limit) } else { page(known.into_values(), limit) };
    let cursor = Cursor::new(asked, found, "events", limit, next.map(|(event, _)| cursor_of(event)));
    let root = found.set.root().to_string();
    EventsPage { data: some.into_iter().map(|(event, past)| view(event, past, &root)).collect(), cursor }
}

fn view<'a>(event: &'a RecentEvent, past: Option<&'a PastEvent>, root: &str) -> EventView<'a> {
    let name = event.name.as_deref();
    let is_track = event.kind == EventKind::Track;
    EventView {
        external_ids: past.into_iter().flat_map(ids).collect(),
        context: Json(past.and_then(|past| past.context.as_deref()).unwrap_or("{}")),
        kind: event.kind.as_str(),
        message_id: &event.message_id,
        source_id: &event.source,
        timestamp: event.timestamp.into(),
        properties: Json(event.properties.as_deref().unwrap_or("{}")),
        event: name.filter(|_| is_track),
        name: name.filter(|_| !is_track),
        related: Related { users: root.to_owned() },
    }
}

fn ids(past: &PastEvent) -> impl Iterator<Item = EventIdView<'_>> {
    let all = [("user_id", &past.user_id), ("anonymous_id", &past.anonymous_id)];
    let view = |(kind, id)| EventIdView { collection: "users", kind, id, encoding: "none" };
    all.into_iter().filter_map(|(kind, id)| Some((kind, id.as_deref()?))).map(view)
}

const NS_IN_MS: i64 = 1_000_000;

/// As Segment writes it: nanoseconds, two colons, the message id.
fn cursor_of(event: &RecentEvent) -> String {
    seal(&format!("{}::{}", event.timestamp.as_ms().saturating_mul(NS_IN_MS), event.message_id))
}

fn place(next: &str) -> Result<(Timestamp, String), Refusal> {
    let text = open(next)?;
    let (ns, message_id) = text.split_once("::").ok_or_else(bad_next)?;
    let ns: i64 = ns.parse().map_err(|_| bad_next())?;
    Ok((Timestamp::from_ms(ns.div_euclid(NS_IN_MS)), message_id.to_owned()))
}

/// A time, or a date alone: its first moment.
fn moment(name: &str, text: &str) -> Result<Timestamp, Refusal> {
    let whole = match text.parse() {
        Err(NotATime::Unreadable(_)) => format!("{text}T00:00:00Z").parse(),
        read => read,
    };
    whole.map_err(|error| match error {
        NotATime::Unreadable(_) => {
            Refusal::bad_parameter(name, "is not a time in ISO 8601, such as 2026-01-31 or 2026-01-31T09:30:00Z")
        }
        NotATime::OutOfRange(_) => Refusal::bad_parameter(name, "is out of range"),
    })
}
