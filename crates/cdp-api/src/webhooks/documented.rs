//! The part of the OpenAPI document that is about webhooks.

use utoipa::Modify;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{Content, OpenApi, Ref, Required};

use super::PATH;
use crate::tracking::{of_type, refusal, taken};

pub(crate) struct Documented;

/// Status, name, and what it means: which codes.
const REFUSALS: [(&str, &str, &str); 4] = [
    (
        "401",
        "WebhookUnauthorized",
        "Not signed as the webhook's scheme says, or too long ago: `no_signature`, `wrong_signature`, `stale_signature`",
    ),
    ("404", "WebhookNotFound", "The deployment has no such webhook: `unknown_webhook`"),
    ("413", "WebhookTooLarge", "The body is over `limits.request_bytes`: `payload_too_large`"),
    ("503", "WebhookUnavailable", "The stream can't take it now, send it again: `stream_busy`, `unavailable`"),
];

impl Modify for Documented {
    fn modify(&self, document: &mut OpenApi) {
        document.paths.add_path_operation(PATH, vec![HttpMethod::Post], take());
        let responses = &mut document.components.get_or_insert_default().responses;
        responses.extend(REFUSALS.map(|(status, name, meaning)| (name.to_owned(), refusal(status, meaning))));
    }
}

fn take() -> OperationBuilder {
    let source = ParameterBuilder::new()
        .name("source")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("The webhook's name in the deployment's settings"))
        .schema(Some(of_type(Type::String)));
    let payload = RequestBodyBuilder::new()
        .description(Some("JSON as the sender has it; the signature is of its very bytes"))
        .content("application/json", Content::new(Some(of_type(Type::Object))))
        .required(Some(Required::True));
    let operation = OperationBuilder::new()
        .tag("webhooks")
        .operation_id(Some("webhook"))
        .summary(Some("Take a third party's signed call"))
        .description(Some(
            "Which header signs it, and what its payload means, the deployment's settings say. 200 means that all of it is \
             durable. What can't be mapped goes to quarantine, and is no reason to send it again.",
        ))
        .parameter(source)
        .request_body(Some(payload.build()))
        .response("200", taken())
        .response("400", Ref::from_response_name("BadRequest"))
        .response("408", Ref::from_response_name("Unfinished"));
    REFUSALS
        .into_iter()
        .fold(operation, |operation, (status, name, _)| operation.response(status, Ref::from_response_name(name)))
}
