//! Whether a client's copy is still the newest.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cdp_app::Found;
use serde::Serialize;

use super::refusal::Refusal;

/// A copy may be kept, by the client alone, and is to be asked after before each use: a profile changes at any time.
pub(super) const KEPT: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Names a state of a person: its root, the revision of its set, and how often its members were written. Each of them only
/// ever grows, so two states with one name are one state.
pub(super) struct ETag(HeaderValue);

impl ETag {
    pub fn of(found: &Found) -> Result<Self, Refusal> {
        let Found { set, writes, .. } = found;
        let text = format!("\"{}-{:x}-{writes:x}\"", set.root(), set.revision);
        HeaderValue::try_from(text).map(Self).map_err(|error| Refusal::Unavailable { cause: error.to_string() })
    }

    fn is_known_to(&self, headers: &HeaderMap) -> bool {
        let ours = self.0.as_bytes();
        let texts = headers.get_all(header::IF_NONE_MATCH).into_iter().map(HeaderValue::as_bytes);
        texts
            .flat_map(|text| text.split(|&byte| byte == b','))
            .map(<[u8]>::trim_ascii)
            .any(|theirs| theirs == b"*" || theirs.strip_prefix(b"W/").unwrap_or(theirs) == ours)
    }

    fn headers(self) -> [(HeaderName, HeaderValue); 2] {
        [(header::ETAG, self.0), (header::CACHE_CONTROL, KEPT)]
    }
}

/// The person as `view` shows it, or 304 where the client has that already.
pub(super) fn answer<'f, V: Serialize>(
    found: &'f Found,
    headers: &HeaderMap,
    view: impl FnOnce(&'f Found) -> V,
) -> Result<Response, Refusal> {
    let tag = ETag::of(found)?;
    if tag.is_known_to(headers) {
        return Ok((StatusCode::NOT_MODIFIED, tag.headers()).into_response());
    }
    let body = serde_json::to_vec(&view(found)).map_err(|error| Refusal::Unavailable { cause: error.to_string() })?;
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((tag.headers(), json, Body::from(body)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_known_in_every_form_that_caches_send() {
        let tag = ETag(HeaderValue::from_static("\"a-1-2\""));
        for (text, expected) in [
            ("\"a-1-2\"", true),
            ("W/\"a-1-2\"", true),
            ("\"x\" , \"a-1-2\"", true),
            ("*", true),
            ("\"a-1-3\"", false),
            ("a-1-2", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(text))]);
            assert_eq!(tag.is_known_to(&headers), expected, "{text}");
        }
        assert!(!tag.is_known_to(&HeaderMap::new()));
    }
}
