//! A router behind API Gateway's HTTP API (payload 2.0).

use axum::Router;
use lambda_http::request::LambdaRequest;
use lambda_http::{Error, LambdaEvent, Service, service_fn};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::Telemetry;

/// What a path may hold as it is: RFC 3986's pchar, and the slash between segments.
const OF_A_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/');
const OF_A_SEGMENT: &AsciiSet = &OF_A_PATH.add(b'/');

/// What comes after it is one name, slashes and all.
const BEFORE_A_NAME: &str = "/v1/profiles/";

/// Answers requests until the process ends.
pub async fn serve(router: Router, telemetry: &Telemetry) -> Result<(), Error> {
    let adapter = &lambda_http::Adapter::from(router);
    lambda_http::lambda_runtime::run(service_fn(async |LambdaEvent { payload, context }| {
        let outcome = adapter.clone().call(LambdaEvent { payload: with_sound_path(payload), context }).await;
        telemetry.tell();
        outcome
    }))
    .await
}

/// The gateway decodes a path before it tells it. What was decoded is no path any more: a space ends it, a question mark
/// cuts it.
fn with_sound_path(mut request: LambdaRequest) -> LambdaRequest {
    if let LambdaRequest::ApiGatewayV2(request) = &mut request {
        request.raw_path = request.raw_path.as_deref().map(encoded);
    }
    request
}

fn encoded(path: &str) -> String {
    match path.strip_prefix(BEFORE_A_NAME) {
        Some(name) => format!("{BEFORE_A_NAME}{}", utf8_percent_encode(name, OF_A_SEGMENT)),
        None => utf8_percent_encode(path, OF_A_PATH).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoded_path_is_a_path_again() {
        for (decoded, expected) in [
            ("/v1/batch", "/v1/batch"),
            ("/v1/profiles/email:jane+a@example.com", "/v1/profiles/email:jane+a@example.com"),
            ("/v1/profiles/user_id:a b?c", "/v1/profiles/user_id:a%20b%3Fc"),
            ("/v1/profiles/url:https://a/é", "/v1/profiles/url:https:%2F%2Fa%2F%C3%A9"),
            ("/v1/profiles/user_id:100%", "/v1/profiles/user_id:100%25"),
            (
                "/v1/spaces/s/collections/users/profiles/user_id:1/traits",
                "/v1/spaces/s/collections/users/profiles/user_id:1/traits",
            ),
        ] {
            assert_eq!(encoded(decoded), expected);
        }
    }
}
