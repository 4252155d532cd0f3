//! Who calls: a key or token as the user name of basic authentication (with or without the colon), or as a bearer token.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(crate) fn token_in(headers: &HeaderMap) -> Option<String> {
    token_of(headers.get(header::AUTHORIZATION)?.to_str().ok()?)
}

fn token_of(value: &str) -> Option<String> {
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(token.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
    Some(pair.split_once(':').map_or(pair.as_str(), |(user, _)| user).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_every_form() {
        for (value, expected) in [
            ("Basic a2V5Og==", Some("key")),
            ("basic a2V5", Some("key")),
            ("Basic a2V5OnB3", Some("key")),
            ("Bearer key", Some("key")),
            ("Basic !", None),
            ("Digest a2V5", None),
            ("a2V5Og==", None),
            ("", None),
        ] {
            assert_eq!(token_of(value).as_deref(), expected, "{value}");
        }
    }
}
