//! Who sends. A write key comes as the user name of basic authentication (with or without the colon), as a bearer token,
//! or as `writeKey` in the body; SDKs use one or two of these ways at once.

use axum::http::HeaderMap;

use crate::credentials::token_in;
use crate::state::KnownSource;
use crate::{Api, Refusal};

/// The first of the keys that is known. With an OAuth token as bearer, the key in the body decides.
pub(super) fn source_of<'a, S>(
    api: &'a Api<S>,
    headers: &HeaderMap,
    in_body: Option<&str>,
) -> Result<&'a KnownSource, Refusal> {
    let in_header = token_in(headers);
    let mut keys = [in_header.as_deref(), in_body].into_iter().flatten().filter(|key| !key.is_empty()).peekable();
    if keys.peek().is_none() {
        return Err(Refusal::NoWriteKey);
    }
    keys.find_map(|key| api.source(key)).ok_or(Refusal::UnknownWriteKey)
}
