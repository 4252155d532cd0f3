//! Traits: by name, ten at a time unless more are asked for.

use std::sync::Arc;

use axum::extract::{Path, Query, State as Shared};
use axum::http::HeaderMap;
use axum::response::Response;
use cdp_app::Found;
use cdp_ports::State;
use cdp_profile::Trait;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::{IntoParams, ToSchema};

use super::cursor::{Cursor, page};
use super::{Asked, AskedPath, listed};
use crate::profiles::Profiles;
use crate::profiles::freshness::answer;
use crate::profiles::parameters::{AskedQuery, flag, limit, word};
use crate::profiles::refusal::Refusal;
use crate::profiles::view::{Json, Moment};

const USUAL: usize = 10;
const MOST: usize = 200;
const CLASSES: [(&str, Class); 2] = [("audience", Class::Audience), ("computed_trait", Class::ComputedTrait)];

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TraitsQuery {
    /// 10 unless it is given, at most 200.
    #[param(value_type = Option<usize>)]
    limit: Option<String>,
    /// Names of traits, with commas between.
    include: Option<String>,
    #[param(value_type = Option<Class>)]
    class: Option<String>,
    /// With source and time.
    #[param(value_type = Option<bool>)]
    verbose: Option<String>,
    next: Option<String>,
}

/// Traits that the platform makes itself.
#[derive(Clone, Copy, ToSchema)]
#[schema(rename_all = "snake_case")]
#[schema(as = SegmentTraitClass)]
pub(super) enum Class {
    Audience,
    ComputedTrait,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SegmentTraits)]
pub(super) struct TraitsPage<'a> {
    /// Values by name; with `verbose`, objects with `value`, `source_id` and `updated_at`.
    #[schema(value_type = BTreeMap<String, Value>)]
    traits: Traits<'a>,
    cursor: Cursor,
}

/// Traits of a person, as Segment shows them
#[utoipa::path(
    get,
    path = "/v1/spaces/{space}/collections/{collection}/profiles/{name}/traits",
    operation_id = "getSegmentTraits",
    tag = "segment profile api",
    params(Asked, TraitsQuery),
    responses((status = 200, description = "A page of traits", body = TraitsPage)),
    security(("basic" = []), ("bearer" = ["profiles:read"])),
)]
pub(super) async fn traits<S: State + 'static>(
    Shared(profiles): Shared<Arc<Profiles<S>>>,
    asked: AskedPath,
    query: AskedQuery<TraitsQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (Path(asked), Query(query)) = (asked?, query?);
    let limit = limit(query.limit.as_deref(), USUAL, MOST)?;
    let wanted = Wanted {
        names: listed(query.include.as_deref()),
        class: word("class", query.class.as_deref(), &CLASSES)?,
        verbose: flag("verbose", query.verbose.as_deref())?,
        from: query.next.as_deref().unwrap_or_default(),
    };
    let found = asked.find(&profiles).await?;
    answer(&found, &headers, |found| page_of(&asked, &wanted, found, limit))
}

struct Wanted<'q> {
    names: Option<Vec<&'q str>>,
    class: Option<Class>,
    verbose: bool,
    from: &'q str,
}

fn page_of<'a>(asked: &Asked, wanted: &Wanted<'_>, found: &'a Found, limit: usize) -> TraitsPage<'a> {
    let is_asked_for = |name: &str| match wanted.class {
        None => wanted.names.as_ref().is_none_or(|names| names.contains(&name)),
        // Events set all of the traits there are.
        Some(Class::Audience | Class::ComputedTrait) => false,
    };
    let all = found.person.traits.iter().map(|(name, value)| (&**name, value));
    let rest = all.filter(|(name, _)| *name >= wanted.from && is_asked_for(name));
    let (traits, next) = page(rest, limit);
    let cursor = Cursor::new(asked, found, "traits", limit, next.map(|(name, _)| name.to_owned()));
    TraitsPage { traits: Traits { traits, verbose: wanted.verbose }, cursor }
}

struct Traits<'a> {
    traits: Vec<(&'a str, &'a Trait)>,
    verbose: bool,
}

#[derive(Serialize)]
struct VerboseTrait<'a> {
    value: Json<'a>,
    source_id: &'a str,
    updated_at: Moment,
}

impl<'a> Serialize for Traits<'a> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let plain = self.traits.iter().map(|(name, value)| (name, Json(&value.value)));
        if !self.verbose {
            return serializer.collect_map(plain);
        }
        let verbose = |(name, value): &(&'a str, &'a Trait)| {
            let told =
                VerboseTrait { value: Json(&value.value), source_id: &value.source, updated_at: value.set_at.into() };
            (*name, told)
        };
        serializer.collect_map(self.traits.iter().map(verbose))
    }
}
