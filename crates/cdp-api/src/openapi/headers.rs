//! The headers of answers: each is described once, and named by the answers that have it.

use std::collections::BTreeMap;

use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Header, OpenApi, Ref, RefOr, Response};

/// On every answer.
const REQUEST_ID: &str = "x-request-id";
/// On every answer that says when to come back.
pub(crate) const WAIT: [&str; 2] = ["retry-after", "x-ratelimit-reset"];

const HEADERS: [(&str, Type, &str); 9] = [
    (REQUEST_ID, Type::String, "The request's id: the caller's own, or one that was made here"),
    ("request-id", Type::String, "The same, as Segment calls it"),
    ("retry-after", Type::Integer, "Seconds to wait before it is sent again"),
    ("x-ratelimit-reset", Type::Integer, "The same as `retry-after`"),
    ("x-ratelimit-limit", Type::Integer, "How many requests the token may make in a second"),
    ("x-ratelimit-remaining", Type::Integer, "How many more it may make at once"),
    ("www-authenticate", Type::String, "How to show a token"),
    ("etag", Type::String, "Changes with the profile"),
    ("cache-control", Type::String, "A client may keep a copy, and asks after it before each use"),
];

/// Describes the headers, and puts the one that every answer has on each of them.
pub(super) fn describe(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    components.headers.extend(HEADERS.map(|(name, kind, description)| (name.to_owned(), header(kind, description))));
    let shared = components.responses.values_mut();
    let operations = document.paths.paths.values_mut().flat_map(|item| [&mut item.get, &mut item.post]).flatten();
    let own = operations.flat_map(|operation| operation.responses.responses.values_mut());
    for answer in shared.chain(own) {
        put(answer, &[REQUEST_ID]);
    }
}

/// What is said by reference is said where it is described.
pub(crate) fn put(answer: &mut RefOr<Response>, names: &[&str]) {
    if let RefOr::T(answer) = answer {
        answer.headers.extend(of(names));
    }
}

fn of(names: &[&str]) -> BTreeMap<String, RefOr<Header>> {
    let named = |name: &&str| ((*name).to_owned(), RefOr::Ref(Ref::new(format!("#/components/headers/{name}"))));
    names.iter().map(named).collect()
}

fn header(kind: Type, description: &str) -> RefOr<Header> {
    let mut header = Header::new(ObjectBuilder::new().schema_type(SchemaType::new(kind)));
    header.description = Some(description.to_owned());
    RefOr::T(header)
}
