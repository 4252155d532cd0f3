//! The Kinesis API for producers and readers: the JSON protocol, and its CBOR twin that Java's SDK and the KPL speak.
//!
//! What comes in this way is a plain record of the stream; the pipeline takes KPL aggregates apart behind it.

mod description;
mod fault;
mod iterator;
mod put;
mod read;
mod seek;
mod show;
mod signature;
mod stream_name;
mod wire;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};
use cdp_ports::Stream;

pub use description::{Shard, StreamDescription, StreamFacts};

use crate::requests::{Reason, RequestId};
use crate::{Api, Refusal, body};
use fault::Fault;
use wire::Format;

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const AMZN_REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
/// `PutRecords` may carry 5 MiB of data; in base64, with its keys and names, it stays below this.
const MAX_BODY_BYTES: usize = 8 << 20;

pub(crate) fn routes<S: Stream + StreamDescription + 'static>() -> Router<Arc<Api<S>>> {
    Router::new().route("/", post(kinesis))
}

async fn kinesis<S: Stream + StreamDescription>(
    State(api): State<Arc<Api<S>>>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let format = Format::of(&parts.headers);
    let headers = [(header::CONTENT_TYPE, format.content_type()), (AMZN_REQUEST_ID, id.to_header())];
    match answer(&api, &parts, body, format).await {
        Ok(bytes) => (headers, bytes).into_response(),
        Err(fault) => {
            let bytes = format.write(&fault.view()).unwrap_or_default();
            let reason = Reason { code: fault.kind.as_str(), cause: fault.cause };
            (fault.kind.status(), headers, Extension(reason), bytes).into_response()
        }
    }
}

async fn answer<S: Stream + StreamDescription>(
    api: &Api<S>,
    parts: &Parts,
    body: Body,
    format: Format,
) -> Result<Vec<u8>, Fault> {
    let body = body::read(body, MAX_BODY_BYTES, &api.limits).await.map_err(unread)?;
    signature::check(&api.access_keys, parts, &body, api.now())?;
    let target = parts.headers.get(&TARGET).and_then(|target| target.to_str().ok());
    match target.and_then(|target| target.strip_prefix("Kinesis_20131202.")) {
        Some("PutRecord") => format.write(&put::put_record(api, format.read(&body)?).await?),
        Some("PutRecords") => format.write(&put::put_records(api, format.read(&body)?).await?),
        Some("GetShardIterator") => format.write(&read::get_shard_iterator(api, format.read(&body)?).await?),
        Some("GetRecords") => format.write(&read::get_records(api, format.read(&body)?).await?),
        Some("DescribeStream") => format.write(&show::describe_stream(api, format.read(&body)?).await?),
        Some("DescribeStreamSummary") => format.write(&show::describe_stream_summary(api, format.read(&body)?).await?),
        Some("ListShards") => format.write(&show::list_shards(api, format.read(&body)?).await?),
        Some("ListStreams") => format.write(&show::list_streams(api, format.read(&body)?).await?),
        Some(other) => Err(Fault::unknown_operation(other)),
        None => Err(Fault::unknown_operation(target.unwrap_or("(no X-Amz-Target)"))),
    }
}

fn unread(refusal: Refusal) -> Fault {
    match refusal {
        Refusal::RequestTooLarge { limit_bytes } => {
            Fault::serialization(format!("the body has more than {limit_bytes} bytes"))
        }
        other => Fault::serialization(other.to_string()),
    }
}
