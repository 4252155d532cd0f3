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
use super::{BATCH_PATHS, SDK_METRICS_PATH, SETTINGS_PATH, paths_of_kind};
use crate::openapi::headers::{WAIT, put};
use crate::refusal::RefusalView;

const TAG: &str = "tracking";
const EVENT: &str = "Event";
const BATCH: &str = "Batch";

pub(crate) struct Documented;

/// Status, name, and what it means: which codes.
const REFUSALS: [(&str, &str, &str); 5] = [
    (
        "400",
        "BadRequest",
        "Can't pass later either: `not_json`, `bad_field`, `unknown_encoding`, `bad_gzip`, `request_too_large`, \
         `inflated_too_large`, `too_many_events`, `event_too_large`, `refused_by_stream`",
    ),
    ("401", "Unauthorized", "No write key, or one that is not known: `no_write_key`, `unknown_write_key`"),
    ("408", "Unfinished", "The body did not arrive, send it again: `body_too_slow`, `body_broken_off`"),
    ("429", "TooFast", "Faster than the source's limit, or than the disk: `too_fast`, `stream_busy`"),
    ("503", "Unavailable", "The stream can't take events now, send them again: `unavailable`"),
];

impl Modify for Documented {
    fn modify(&self, document: &mut OpenApi) {
        let paths = &mut document.paths;
        for kind in EventKind::ALL {
            for path in paths_of_kind(kind) {
                let one = takes(&format!("Take one {kind} event"), &path, EVENT);
                paths.add_path_operation(path, vec![HttpMethod::Post], one);
            }
        }
        for path in BATCH_PATHS {
            let batch = takes("Take a batch of events of any type", path, BATCH);
            paths.add_path_operation(path, vec![HttpMethod::Post], batch);
        }
        paths.add_path_operation(SETTINGS_PATH, vec![HttpMethod::Get], settings());
        paths.add_path_operation(SDK_METRICS_PATH, vec![HttpMethod::Post], sdk_metrics());

        let components = document.components.get_or_insert_default();
        components
            .responses
            .extend(REFUSALS.map(|(status, name, meaning)| (name.to_owned(), refusal(status, meaning))));
        let schemas = &mut components.schemas;
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

fn takes(summary: &str, path: &str, body: &str) -> OperationBuilder {
    let operation = OperationBuilder::new()
        .tag(TAG)
        .operation_id(path.strip_prefix("/v1/"))
        .summary(Some(summary))
        .description(Some(
            "200 means that every event is durable. Whether each is valid is decided behind the stream; a verdict on each \
             is given to those who ask.",
        ))
        .parameter(verdicts("verdicts", ParameterIn::Query))
        .parameter(verdicts("x-cdp-verdicts", ParameterIn::Header))
        .request_body(Some(json_body(body)))
        .response("200", taken())
        .security(SecurityRequirement::new("basic", [""; 0]))
        .security(SecurityRequirement::new("bearer", [""; 0]))
        // A write key in the body does as well.
        .security(SecurityRequirement::default());
    REFUSALS
        .into_iter()
        .fold(operation, |operation, (status, name, _)| operation.response(status, Ref::from_response_name(name)))
}

pub(crate) fn taken() -> Response {
    answer("Every event is durable", content(&VerdictsView::name()))
}

fn settings() -> OperationBuilder {
    let write_key = ParameterBuilder::new()
        .name("write_key")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(of_type(Type::String)));
    OperationBuilder::new()
        .tag(TAG)
        .operation_id(Some("settings"))
        .summary(Some("Where an SDK is to send to: this host"))
        .parameter(write_key)
        .response("200", answer("As Segment's SDKs read it", Content::new(Some(of_type(Type::Object)))))
        .response("401", Ref::from_response_name("Unauthorized"))
}

fn sdk_metrics() -> OperationBuilder {
    OperationBuilder::new()
        .tag(TAG)
        .operation_id(Some("m"))
        .summary(Some("What the browser's SDK reports on itself; nobody reads it"))
        .response("200", Response::new("Passed over"))
}

pub(crate) fn refusal(status: &str, meaning: &str) -> RefOr<Response> {
    let mut refusal = answer(meaning, content(&RefusalView::name())).into();
    if matches!(status, "429" | "503") {
        put(&mut refusal, &WAIT);
    }
    refusal
}

fn verdicts(name: &str, place: ParameterIn) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
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

fn answer(description: &str, content: Content) -> Response {
    ResponseBuilder::new().description(description).content("application/json", content).build()
}

fn content(schema: &str) -> Content {
    Content::new(Some(Ref::from_schema_name(schema)))
}

pub(crate) fn of_type(kind: Type) -> Schema {
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
