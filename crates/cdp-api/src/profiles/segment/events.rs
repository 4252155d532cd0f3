//! Events: the newest that the profile keeps.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::http::HeaderMap;
use axum::response::Response;
use cdp_app::Found;
use cdp_event::{EventKind, Timestamp};
use cdp_ports::State;
use cdp_profile::RecentEvent;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::cursor::{Cursor, bad_next, open, page, seal};
use super::{Asked, AskedPath, limit, listed};
use crate::profiles::Profiles;
use crate::profiles::freshness::answer;
use crate::profiles::refusal::Refusal;
use crate::profiles::view::{Json, Moment};

const USUAL: usize = 10;
const MOST: usize = 100;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// 10 unless it is given, at most 100.
    limit: Option<usize>,
    /// Names of events, with commas between.
    include: Option<String>,
    exclude: Option<String>,
    /// Events at this time or later, in ISO 8601.
    start: Option<String>,
    /// Events before this time, in ISO 8601.
    end: Option<String>,
    #[serde(default)]
    sort: Sort,
    next: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SegmentSort)]
pub(super) enum Sort {
    Asc,
    #[default]
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
    /// Not kept with an event: empty.
    #[schema(value_type = Vec<Object>)]
    external_ids: [(); 0],
    /// Not kept with an event: empty.
    #[schema(value_type = Object)]
    context: Context,
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

#[derive(Serialize)]
struct Context {}

#[derive(Serialize, ToSchema)]
#[schema(as = SegmentRelated)]
struct Related {
    /// The canonical profile.
    users: String,
}

/// Recent events of a person, as Segment shows them
#[utoipa::path(
    get,
    path = "/v1/spaces/{space}/collections/{collection}/profiles/{name}/events",
    operation_id = "getSegmentEvents",
    tag = "segment profile api",
    params(Asked, EventsQuery),
    responses((status = 200, description = "A page of the newest events", body = EventsPage)),
    security(("basic" = []), ("bearer" = ["profiles:read"])),
)]
pub(super) async fn events<S: State + 'static>(
    Shared(profiles): Shared<Arc<Profiles<S>>>,
    asked: AskedPath,
    query: Result<Query<EventsQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (Path(asked), Query(query)) = (asked?, query?);
    let limit = limit(query.limit, USUAL, MOST)?;
    let filter = Filter::read(&query)?;
    let found = asked.find(&profiles).await?;
    answer(&found, &headers, |found| page_of(&asked, &filter, found, limit))
}

/// An event's place in the list.
type Place = (Timestamp, String);

struct Filter<'a> {
    include: Option<Vec<&'a str>>,
    exclude: Vec<&'a str>,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    sort: Sort,
    from: Option<Place>,
}

impl<'a> Filter<'a> {
    fn read(query: &'a EventsQuery) -> Result<Self, Refusal> {
        let from = query.next.as_deref().filter(|next| !next.is_empty()).map(place).transpose()?;
        Ok(Self {
            include: listed(query.include.as_deref()),
            exclude: listed(query.exclude.as_deref()).unwrap_or_default(),
            start: query.start.as_deref().map(|text| moment("start", text)).transpose()?,
            end: query.end.as_deref().map(|text| moment("end", text)).transpose()?,
            sort: query.sort,
            from,
        })
    }

    fn keeps(&self, event: &RecentEvent) -> bool {
        let key = event.name.as_deref().unwrap_or(event.kind.as_str());
        let is_in_time =
            self.start.is_none_or(|start| event.timestamp >= start) && self.end.is_none_or(|end| event.timestamp < end);
        let is_reached = self.from.as_ref().is_none_or(|(timestamp, message_id)| {
            let (from, at) = ((timestamp, message_id.as_str()), (&event.timestamp, &*event.message_id));
            match self.sort {
                Sort::Asc => at >= from,
                Sort::Desc => at <= from,
            }
        });
        let is_included = self.include.as_ref().is_none_or(|names| names.contains(&key));
        is_in_time && is_reached && is_included && !self.exclude.contains(&key)
    }
}

fn page_of<'a>(asked: &Asked, filter: &Filter<'_>, found: &'a Found, limit: usize) -> EventsPage<'a> {
    let mut kept: Vec<&RecentEvent> = found.person.recent.iter().filter(|event| filter.keeps(event)).collect();
    let rank = |event: &&RecentEvent| (event.timestamp, event.message_id.clone());
    match filter.sort {
        Sort::Asc => kept.sort_by_cached_key(rank),
        Sort::Desc => kept.sort_by_cached_key(|event| Reverse(rank(event))),
    }
    let (some, next) = page(kept.into_iter(), limit);
    let cursor = Cursor::new(asked, found, "events", limit, next.map(cursor_of));
    let root = found.set.root().to_string();
    EventsPage { data: some.into_iter().map(|event| view(event, &root)).collect(), cursor }
}

fn view<'a>(event: &'a RecentEvent, root: &str) -> EventView<'a> {
    let name = event.name.as_deref();
    let is_track = event.kind == EventKind::Track;
    EventView {
        external_ids: [],
        context: Context {},
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

const NS_IN_MS: i64 = 1_000_000;

/// As Segment writes it: nanoseconds, two colons, the message id.
fn cursor_of(event: &RecentEvent) -> String {
    seal(&format!("{}::{}", event.timestamp.as_ms().saturating_mul(NS_IN_MS), event.message_id))
}

fn place(next: &str) -> Result<Place, Refusal> {
    let text = open(next)?;
    let (ns, message_id) = text.split_once("::").ok_or_else(bad_next)?;
    let ns: i64 = ns.parse().map_err(|_| bad_next())?;
    Ok((Timestamp::from_ms(ns.div_euclid(NS_IN_MS)), message_id.to_owned()))
}

/// A time, or a date alone: its first moment.
fn moment(name: &str, text: &str) -> Result<Timestamp, Refusal> {
    let whole = text.parse().or_else(|_| format!("{text}T00:00:00Z").parse());
    whole.map_err(|_| {
        Refusal::bad_parameter(name, "is not a time in ISO 8601, such as 2026-01-31 or 2026-01-31T09:30:00Z")
    })
}
