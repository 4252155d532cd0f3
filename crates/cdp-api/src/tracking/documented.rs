//! The part of the OpenAPI document that is about sending. Paths come from the same loop over kinds that makes the routes.

use cdp_event::EventKind;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder, Schema};
use utoipa::{Modify, ToSchema};

use super::collect::VerdictsView;
use super::verdict::Verdict;
use crate::refusal::RefusalView;

const TAG: &str = "tracking";
const EVENT: &str = "Event";
const BATCH: &str = "Batch";

pub(crate) struct Documented;

impl Modify for Documented {
    fn modify(&self, document: &mut OpenApi) {
        for kind in EventKind::ALL {
            let one = takes(&format!("Take one {kind} event"), kind.as_str(), EVENT);
            document.paths.add_path_operation(format!("/v1/{kind}"), vec![HttpMethod::Post], one);
        }
        let batch = takes("Take a batch of events of any type", "batch", BATCH);
        document.paths.add_path_operation("/v1/batch", vec![HttpMethod::Post], batch);

        let schemas = &mut document.components.get_or_insert_default().schemas;
        schemas.insert(EVENT.to_owned(), event().into());
        schemas.insert(BATCH.to_owned(), batch_of_events().into());
        for (name, schema) in [
            (VerdictsView::name(), <VerdictsView as utoipa::PartialSchema>::schema()),
            (Verdict::name(), <Verdict as utoipa::PartialSchema>::schema()),
            (RefusalView::name(), <RefusalView<'_> as utoipa::PartialSchema>::schema()),
        ] {
            schemas.insert(name.into_owned(), schema);
        }
    }
}

fn takes(summary: &str, operation: &str, body: &str) -> OperationBuilder {
    let refused = |description: &str| answer(description, &RefusalView::name());
    OperationBuilder::new()
        .tag(TAG)
        .operation_id(Some(operation))
        .summary(Some(summary))
        .description(Some(
            "200 means that every event is durable. Whether each is valid is decided behind the stream; a verdict on each \
             is given to those who ask.",
        ))
        .parameter(verdicts())
        .request_body(Some(json_body(body)))
        .response("200", answer("Every event is durable", &VerdictsView::name()))
        .response("400", refused("Can't pass later either: not JSON, or too large"))
        .response("401", refused("No write key, or one that is not known"))
        .response("429", refused("Faster than the source's limit; see `retry-after`"))
        .response("503", refused("The stream can't take events now; send again"))
        .security(SecurityRequirement::new("basic", [""; 0]))
        .security(SecurityRequirement::new("bearer", [""; 0]))
        // A write key in the body does as well.
        .security(SecurityRequirement::default())
}

fn verdicts() -> Parameter {
    ParameterBuilder::new()
        .name("verdicts")
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some("Whether to say of each event what validation will say"))
        .schema(Some(of_type(Type::Boolean)))
        .build()
}

fn json_body(schema: &str) -> RequestBody {
    RequestBodyBuilder::new()
        .description(Some("JSON in UTF-8, plain or with gzip; the content type does not matter"))
        .content("application/json", content(schema))
        .required(Some(Required::True))
        .build()
}

fn answer(description: &str, schema: &str) -> Response {
    ResponseBuilder::new().description(description).content("application/json", content(schema)).build()
}

fn content(schema: &str) -> Content {
    Content::new(Some(Ref::from_schema_name(schema)))
}

fn of_type(kind: Type) -> Schema {
    ObjectBuilder::new().schema_type(SchemaType::new(kind)).build().into()
}

fn moment() -> Schema {
    let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
    ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).format(Some(format)).build().into()
}

/// What the Segment spec has. Other fields are taken, and kept where the spec keeps them.
fn event() -> Schema {
    let kinds = ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .enum_values(Some(EventKind::ALL.map(EventKind::as_str)))
        .description(Some("Needed in a batch; elsewhere the path says it"));
    let mut object = ObjectBuilder::new()
        .description(Some(
            "An event of the Segment spec. At least one of userId and anonymousId is needed; track needs event, group \
             needs groupId, alias needs previousId.",
        ))
        .property("type", kinds);
    for name in ["messageId", "userId", "anonymousId", "event", "name", "groupId", "previousId", "writeKey"] {
        object = object.property(name, of_type(Type::String));
    }
    object = object.property("timestamp", moment());
    for name in ["properties", "traits", "context"] {
        object = object.property(name, of_type(Type::Object));
    }
    object.build().into()
}

fn batch_of_events() -> Schema {
    let events = ArrayBuilder::new().items(RefOr::Ref(Ref::from_schema_name(EVENT)));
    ObjectBuilder::new()
        .property("batch", events)
        .required("batch")
        .property("sentAt", moment())
        .property("context", of_type(Type::Object))
        .property("writeKey", of_type(Type::String))
        .build()
        .into()
}
