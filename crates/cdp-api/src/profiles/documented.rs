//! The part of the OpenAPI document that is about profiles. What all of its answers share is said here, once.

use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Content, Ref, RefOr, Required, Response, ResponseBuilder};
use utoipa::{OpenApi, ToSchema};

use super::refusal::RefusalView;
use super::{profile, segment};
use crate::openapi::headers::{WAIT, put};

#[derive(OpenApi)]
#[openapi(paths(profile::profile), components(schemas(RefusalView)))]
struct Documented;

/// Of a list of events only.
const SLOW: (&str, &str, &str) =
    ("504", "ProfileSlow", "The tables did not answer in time: `timeout`. Ask for less time with `start` and `end`");

/// Status, name, and what it means.
const REFUSALS: [(&str, &str, &str); 7] = [
    ("400", "ProfileBadRequest", "The name or a parameter can't be read: `validation_error`, `invalid_request_error`"),
    ("401", "ProfileUnauthorized", "No token, or one that is not known: `authentication_error`"),
    ("403", "ProfileForbidden", "The token lacks the scope `profiles:read`: `forbidden`"),
    ("404", "ProfileNotFound", "Nobody has this identifier: `not_found`"),
    ("429", "ProfileTooFast", "Faster than the token's limit: `rate_limit_error`"),
    ("500", "ProfileBroken", "The profile can't be read: `internal_error`"),
    ("503", "ProfileBusy", "State is busy: `unavailable`"),
];

/// For whoever showed a token that is known.
const ALLOWANCE: [&str; 2] = ["x-ratelimit-limit", "x-ratelimit-remaining"];

pub(crate) fn documented() -> utoipa::openapi::OpenApi {
    let mut document = Documented::openapi().merge_from(segment::Documented::openapi());
    let components = document.components.get_or_insert_default();
    let all = REFUSALS.into_iter().chain([SLOW]);
    components.responses.extend(all.map(|(status, name, meaning)| (name.to_owned(), refusal(status, meaning))));
    for (path, item) in &mut document.paths.paths {
        let Some(operation) = &mut item.get else { continue };
        let asks_tables = path.ends_with("/events");
        // What a list of events shows changes without the profile.
        if !asks_tables {
            with_copies(operation);
        }
        complete(operation);
        if asks_tables {
            let (status, name, _) = SLOW;
            operation.responses.responses.insert(status.to_owned(), Ref::from_response_name(name).into());
        }
    }
    document
}

fn with_copies(operation: &mut Operation) {
    operation.parameters.get_or_insert_default().push(RefOr::T(if_none_match()));
    let answers = &mut operation.responses.responses;
    answers.insert("304".to_owned(), Response::new("The client's copy is still the newest").into());
    answers.values_mut().for_each(|answer| put(answer, &["etag"]));
}

fn complete(operation: &mut Operation) {
    let answers = &mut operation.responses.responses;
    for answer in answers.values_mut() {
        put(answer, &["request-id", "cache-control"]);
        put(answer, &ALLOWANCE);
    }
    answers.extend(REFUSALS.map(|(status, name, _)| (status.to_owned(), Ref::from_response_name(name).into())));
}

fn refusal(status: &str, meaning: &str) -> RefOr<Response> {
    let view = Content::new(Some(Ref::from_schema_name(RefusalView::name())));
    let mut answer = ResponseBuilder::new().description(meaning).content("application/json", view).into();
    put(&mut answer, &["request-id"]);
    match status {
        "401" => put(&mut answer, &["www-authenticate"]),
        _ => put(&mut answer, &ALLOWANCE),
    }
    if matches!(status, "429" | "503" | "504") {
        put(&mut answer, &WAIT);
    }
    answer
}

fn if_none_match() -> Parameter {
    ParameterBuilder::new()
        .name("if-none-match")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("The `etag` of a copy that the client has"))
        .schema(Some(ObjectBuilder::new().schema_type(SchemaType::new(Type::String))))
        .build()
}
