//! Pages. A cursor names the first element of the next page, so a page is right also after elements came or went.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cdp_app::Found;
use serde::Serialize;
use utoipa::ToSchema;

use super::Asked;
use crate::profiles::refusal::Refusal;

#[derive(Serialize, ToSchema)]
#[schema(as = SegmentCursor)]
pub(super) struct Cursor {
    /// Of this list, by the canonical profile.
    url: String,
    has_more: bool,
    /// What to send as `next` for the next page; empty where there is none.
    next: String,
    limit: usize,
}

impl Cursor {
    pub fn new(asked: &Asked, found: &Found, part: &str, limit: usize, next: Option<String>) -> Self {
        let url = format!("/v1/spaces/{}/collections/users/profiles/{}/{part}", asked.space, found.set.root());
        Self { url, has_more: next.is_some(), next: next.unwrap_or_default(), limit }
    }
}

/// The first `limit` of `items`, and the one after them.
pub(super) fn page<T>(items: impl Iterator<Item = T>, limit: usize) -> (Vec<T>, Option<T>) {
    let mut items: Vec<T> = items.take(limit + 1).collect();
    let next = if items.len() > limit { items.pop() } else { None };
    (items, next)
}

pub(super) fn seal(place: &str) -> String {
    URL_SAFE_NO_PAD.encode(place)
}

pub(super) fn open(next: &str) -> Result<String, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(next.trim_end_matches('=')).ok();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(bad_next)
}

pub(super) fn bad_next() -> Refusal {
    Refusal::bad_parameter("next", "is not a cursor of this list")
}
