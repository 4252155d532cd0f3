//! Questions about people. Whatever is asked, the answer is a person, that there is none, or what is wrong with the question.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, Uri, header};
use bytes::Bytes;
use cdp_api::Secret;
use cdp_api::profiles::{Profiles, Scope, Token};
use cdp_app::ProfileName;
use cdp_ports::Clock;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::http::Still;
use crate::memory::most_held;
use crate::platform::{platform, record, take_in};
use crate::seeds::{names, questions};
use crate::{fuzz_one_in, seeds_of};

/// A question of 20 KB, in percent signs three times as much, and a person.
const MEMORY_BYTES: usize = 4 << 20;
/// URIs have 64 KB at most.
const MOST_NAMED: usize = 20_000;

const WORDS: [&[u8]; 24] = [
    b"user_id:",
    b"email:",
    b"anonymous_id:",
    b"prf_",
    b"prf_00000000000000000000000000",
    b":",
    b"%",
    b"%00",
    b"%2F",
    b"%ff",
    b"%F0%9F%98%80",
    b"/",
    b"//",
    b"?next=",
    b"&limit=",
    b"&limit=18446744073709551616",
    b"&include=t1,t2",
    b"&start=2026-01-31",
    b"&end=9999-12-31T23:59:59Z",
    b"&sort=asc",
    b"&verbose=true",
    b"OjpA",
    b"==",
    "é\u{200d}".as_bytes(),
];

#[test]
fn a_name_is_read_as_it_is_written() {
    let front = Front::new();
    fuzz_one_in(4, &names(), &WORDS, |bytes| {
        let name = &bytes[..bytes.len().min(MOST_NAMED)];
        let parsed = std::str::from_utf8(name).ok().and_then(|name| ProfileName::parse(name).ok());
        if let Some(name) = &parsed {
            let written = match name {
                ProfileName::Identifier(identifier) => identifier.to_string(),
                ProfileName::Profile(profile) => profile.to_string(),
            };
            assert_eq!(ProfileName::parse(&written).as_ref(), Ok(name));
        }
        if name.is_empty() {
            return;
        }
        let path = format!("/v1/profiles/{}", percent_encode(name, NON_ALPHANUMERIC));
        let (status, answer) = front.ask(&path).expect("a sound path");
        assert_eq!(status == StatusCode::BAD_REQUEST, parsed.is_none(), "{answer}");
        assert_eq!(status == StatusCode::OK, answer["canonical"] == true, "{answer}");
    });
}

#[test]
fn a_question_of_any_form_is_answered_or_refused() {
    let front = Front::new();
    fuzz_one_in(4, &questions(), &WORDS, |bytes| {
        let held = most_held(|| drop(std::str::from_utf8(bytes).ok().and_then(|path| front.ask(path))));
        assert!(held <= MEMORY_BYTES, "{held} bytes of memory");
    });
}

/// Where pages begin, they go on to the end of the list, wherever in it that is.
#[test]
fn pages_from_any_cursor_are_the_rest_of_the_list() {
    let front = Front::new();
    for (part, most) in [("traits", 7), ("external_ids", 3), ("events", 2)] {
        let (whole, cursors) = front.pages(part, most, b"").expect("without a cursor");
        assert!(cursors.len() > 1, "several pages of {part}");
        let seeds = seeds_of(cursors, String::into_bytes);
        fuzz_one_in(100, &seeds, &WORDS, |bytes| {
            let next = &bytes[..bytes.len().min(MOST_NAMED)];
            if let Some((rest, _)) = front.pages(part, most, next) {
                assert!(whole.ends_with(&rest), "{rest:?} of {whole:?}");
            }
        });
    }
}

struct Front {
    router: Router,
    runtime: Runtime,
}

impl Front {
    fn new() -> Self {
        let platform = platform();
        // Jane has more traits, identifiers and events than a page, and as many identifiers as the rules let her have.
        let event = |n: u64| {
            let at = MOMENTS[n as usize % MOMENTS.len()];
            format!(
                r#"{{"type":"identify","messageId":"m{n}","userId":"jane","anonymousId":"phone{n}","timestamp":"{at}","traits":{{"t{n}":{n},"email":"j{n}@x.org"}}}}"#
            )
        };
        let records: Vec<_> = (0..25).map(|n| record(n, event(n))).collect();
        assert_eq!(take_in(&platform, &records).counts.accepted, 25);
        let token = Token {
            name: "reader".to_owned(),
            token: Secret::new("reader"),
            scopes: vec![Scope::ProfilesRead],
            requests_per_second: NonZeroU32::new(1_000_000_000).expect("not zero"),
        };
        let clock: Arc<dyn Clock> = Arc::new(Still);
        let profiles = Profiles::new(vec![token], Arc::new(platform.state), &clock).expect("a sound token");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        Self { router: cdp_api::profiles_router(profiles, Arc::new(Still)), runtime }
    }

    /// `None`: no request has such a path.
    fn ask(&self, path: &str) -> Option<(StatusCode, Value)> {
        let uri: Uri = path.parse().ok().filter(|uri: &Uri| uri.path().starts_with('/'))?;
        let request = Request::get(uri).header(header::AUTHORIZATION, "Bearer reader").body(Body::empty()).ok()?;
        let (status, body) = self.runtime.block_on(async {
            let answer = self.router.clone().oneshot(request).await.expect("infallible");
            (answer.status(), to_bytes(answer.into_body(), usize::MAX).await.expect("in memory"))
        });
        let is_told = [StatusCode::OK, StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND].contains(&status);
        assert!(is_told, "{status} {}", body.escape_ascii());
        Some((status, json(&body)))
    }

    /// The elements from `next` on, and where each page begins. `None`: it is no cursor of the list.
    fn pages(&self, part: &str, most: usize, next: &[u8]) -> Option<(Vec<String>, Vec<String>)> {
        let mut next = percent_encode(next, NON_ALPHANUMERIC).to_string();
        let (mut elements, mut cursors) = (vec![], vec![]);
        loop {
            let path = format!("/v1/spaces/s/collections/users/profiles/user_id:jane/{part}?limit={most}&next={next}");
            let (status, page) = self.ask(&path)?;
            if status != StatusCode::OK {
                assert!(cursors.is_empty() && page["error"]["code"] == "invalid_request_error", "{page}");
                return None;
            }
            let some = named(&page);
            assert!(some.len() <= most && cursors.len() < 50, "{page}");
            elements.extend(some);
            let cursor = page["cursor"]["next"].as_str().expect("a text").to_owned();
            assert_eq!(page["cursor"]["has_more"], !cursor.is_empty());
            if cursor.is_empty() {
                return Some((elements, cursors));
            }
            next = percent_encode(cursor.as_bytes(), NON_ALPHANUMERIC).to_string();
            cursors.push(cursor);
        }
    }
}

const MOMENTS: [&str; 5] = [
    "2026-01-31T09:00:00.000Z",
    "2026-01-31T09:10:00.000Z",
    "2026-01-31T09:10:00.001Z",
    "2026-01-30T00:00:00.000Z",
    "2026-01-29T00:00:00.000Z",
];

/// Null where there is no JSON: of a path that nothing is at.
fn json(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

/// A page's elements, by their names.
fn named(page: &Value) -> Vec<String> {
    match (page["traits"].as_object(), page["data"].as_array()) {
        (Some(traits), _) => traits.keys().cloned().collect(),
        (None, Some(data)) => {
            data.iter().map(|element| format!("{}{}", element["id"], element["message_id"])).collect()
        }
        (None, None) => panic!("{page}"),
    }
}
